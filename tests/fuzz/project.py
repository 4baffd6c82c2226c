"""Annotations, a project's meta and image files, each damaged and read."""

import base64
import contextlib
import functools
import io
import json

import cv2
import numpy as np
from PIL import Image

from mrcnn.errors import UserError
from mrcnn.images import pixels
from mrcnn.project.annotation import read
from mrcnn.project.meta import ProjectMeta
from tests import projects
from tests.fuzz import mutations

KINDS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
MODES = ("L", "RGB", "RGBA", "P", "CMYK", "I;16", "F")
META = {
    "classes": [{"title": shape, "shape": shape, "color": "#112233"} for shape in projects.SHAPES],
    "tags": projects.TAGS,
}
ANNOTATION = {
    "description": "",
    "size": {"height": projects.HEIGHT, "width": projects.WIDTH},
    "tags": [{"name": "train", "value": None}, "note"],
    "objects": [
        {"classTitle": shape, "tags": [{"name": "iscrowd"}], **content} for shape, content in projects.SHAPES.items()
    ],
}


def annotation(rng: np.random.Generator) -> None:
    """Reads a damaged annotation, draws its objects and writes it."""
    content = mutations.mutate_json(ANNOTATION, rng, most=6)
    if rng.random() < 0.4 and isinstance(content, dict):
        _damage_bitmap(content, rng)
    found = read(content, ProjectMeta.from_json(META))
    for label in found.annotation.labels:
        with contextlib.suppress(UserError):
            label.geometry.to_mask(projects.HEIGHT, projects.WIDTH)
    json.dumps(found.annotation.to_json())
    for problem in found.problems:
        raise UserError(problem)


def meta(rng: np.random.Generator) -> None:
    """Reads a damaged `meta.json` and writes it."""
    json.dumps(ProjectMeta.from_json(mutations.mutate_json(META, rng, most=6)).to_json())


def image(rng: np.random.Generator) -> None:
    """Decodes a damaged image file."""
    kind, mode = KINDS[rng.integers(len(KINDS))], MODES[rng.integers(len(MODES))]
    data = mutations.mutate_bytes(_image(kind, mode), rng)
    array = np.frombuffer(data, np.uint8)
    pixels.decode_image(array, int(rng.choice([1, 3, 4])), name="a", upright=bool(rng.random() < 0.5))


@functools.cache
def _image(kind: str, mode: str) -> bytes:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    stream = io.BytesIO()
    try:
        picture.convert("L").convert(mode).save(stream, kind)
    except (OSError, ValueError):  # there is no such file
        return _image(kind, "RGB")
    return stream.getvalue()


def _damage_bitmap(content: dict, rng: np.random.Generator) -> None:
    data = base64.b64decode(projects.SHAPES["bitmap"]["bitmap"]["data"])
    if rng.random() < 0.5:
        data = cv2.imencode(".png", np.zeros((4, 4, 4), np.uint16))[1].tobytes()
    text = base64.b64encode(mutations.mutate_bytes(data, rng)).decode()
    item = {"classTitle": "bitmap", "tags": [], "bitmap": {"origin": [1, 2], "data": text}}
    if isinstance(content.get("objects"), list):
        content["objects"].append(item)
