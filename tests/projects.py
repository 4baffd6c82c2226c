"""Projects on which tests of several packages run: one of every shape, and the user's own that MRCNN_PROJECTS names."""

import base64
import json
import os
from pathlib import Path

import cv2
import numpy as np

from mrcnn.project.geometry import Bitmap
from mrcnn.project.skeletons import CORNERS_2D
from tests.predict import helpers

OWN = [Path(path) for path in os.environ.get("MRCNN_PROJECTS", "").split(os.pathsep) if path]

HEIGHT, WIDTH = 40, 60
RING = [[5, 4], [30, 4], [34, 20], [12, 33]]
HOLE = [[15, 8], [22, 8], [20, 14]]
ALPHA = cv2.imencode(".png", np.arange(0, 240, 4, dtype=np.uint8).reshape(6, 10))[1].tobytes()
BLOB = np.add.outer(np.arange(9), np.arange(14)) % 3 > 0
POINTS = {"exterior": [[7, 8]], "interior": []}
SHAPES = {
    "bitmap": {"bitmap": Bitmap((20, 10), BLOB).to_json()["bitmap"], "points": {"exterior": [], "interior": []}},
    "alpha_mask": {"bitmap": {"origin": [3, 5], "data": base64.b64encode(ALPHA).decode()}},
    "polygon": {"points": {"exterior": RING, "interior": [HOLE]}, "bitmap": None},
    "multipolygon": {"parts": [{"exterior": HOLE, "interior": []}, {"exterior": [[40, 30], [50, 30], [45, 38]]}]},
    "rectangle": {"points": {"exterior": [[30.0, 25.9], [10.7, 3.2]], "interior": []}},
    "oriented_bbox": {"points": [[10, 12], [41, 25]], "angle": 0.4},
    "line": {"points": {"exterior": [[2, 3], [30, 17], [50, 5]], "interior": []}},
    "point": {"points": POINTS},
    "graph": {"nodes": {"a": {"loc": [3, 4]}, "b": {"loc": [9.6, 4], "disabled": True}}},
    "cuboid": {
        "points": [[1, 3], [15, 3], [15, 17], [1, 17], [8, 1], [22, 1], [22, 15]],
        "faces": [[0, 1, 2, 3], [0, 4, 5, 1], [1, 5, 6, 2]],
    },
    "cuboid_2d": {"vertices": {name: {"loc": [5 + index, 30 - index]} for index, name in enumerate(CORNERS_2D)}},
}
NEEDING_A_TEMPLATE = ("graph", "cuboid_2d")  # the SDK takes them in a class of their own only, with its template
TAGS = [
    {"name": "train", "value_type": "none", "color": "#00FF00"},
    {"name": "count", "value_type": "any_number"},
    {"name": "note", "value_type": "any_string"},
    {"name": "kind", "value_type": "oneof_string", "values": ["a", "b"]},
]
MODES = ("full_image", "roi", "bboxes", "sliding_window", "sliding_window_det")


def mode_config(name: str, *, window: int = 40) -> dict:
    """Returns an inference config of a mode that saves all it can; `window` is the side of windows, in pixels."""
    windows = {"window": {"width": window, "height": window}, "min_overlap": {"x": window // 4, "y": 0}, "save": True}
    settings = {
        "full_image": {},
        "roi": {"bounds": {"left": "10%", "top": "3px"}, "save": True},
        "bboxes": {"padding": {"left": "20%", "bottom": "2px"}, "save": True},
        "sliding_window": windows,
        "sliding_window_det": {**windows, "nms_after": {"enable": True, "iou_threshold": 0.5}},
    }
    suffix = {"add_suffix": " found"}
    return {"model": {}, "mode": {"name": name, "model_classes": suffix, "model_tags": suffix, **settings[name]}}


def _object(title, geometry, tags=()):
    return {"classTitle": title, "description": "", "tags": list(tags), **geometry, "id": 5, "labelerLogin": "me"}


def make_every_shape(root):
    """Writes a project as exports of many years hold them: every shape, old and new tags, nested data sets."""
    classes = [{"title": f"a {shape}", "shape": shape, "color": "#BE55CE"} for shape in SHAPES]
    graph = next(item for item in classes if item["shape"] == "graph")
    graph["geometry_config"] = {
        "nodes": {"a": {"label": "a", "loc": [0, 0]}, "b": {"label": "b", "loc": [1, 1]}},
        "edges": [],
    }
    classes.append({"title": "any", "shape": "any", "color": "none"})
    tags = [
        *TAGS[1:3],
        "note",
        {"name": "count", "value": 3.5},
        {"name": "note", "value": "x"},
        {"name": "note", "value": "y"},
    ]
    objects = [_object(f"a {shape}", geometry, tags[4:]) for shape, geometry in SHAPES.items()]
    free = [shape for shape in SHAPES if shape not in NEEDING_A_TEMPLATE]
    anything = [{**_object("any", SHAPES[shape]), "geometryType": shape} for shape in free]
    outside = [_object("a rectangle", {"points": {"exterior": [[70, 50], [80, 60]], "interior": []}})]
    bound = [{**_object("a rectangle", SHAPES["rectangle"]), "instance": "one"} for _ in range(2)]
    (root / "img_info").mkdir(parents=True)
    (root / "meta.json").write_text(json.dumps({"classes": classes, "tags": TAGS, "projectType": "images"}))
    many = [{"name": "count", "value": 1}, {"name": "count", "value": 2}, {"name": "kind", "value": "b"}, "train"]
    undeclared = ["forgotten", {"name": "score", "value": 0.25, "id": 9}]
    for dataset, name, size, image_tags, content in (
        ("first", "a.b.png", (HEIGHT, WIDTH), many, objects),
        ("first/datasets/child", "a.png", (HEIGHT, WIDTH), undeclared, anything),
        ("second", "b.jpg", (HEIGHT, WIDTH), ["train"], [*outside, *bound]),
        ("second", "c.png", (None, None), [], [_object("a bitmap", SHAPES["bitmap"])]),
    ):
        helpers.write_image(root / dataset / "img" / name, HEIGHT, WIDTH, 90)
        (root / dataset / "ann").mkdir(exist_ok=True)
        annotation = {"size": dict(zip(("height", "width"), size, strict=True)), "tags": image_tags, "objects": content}
        annotation |= {"description": "ä", "customBigData": {"a": [1]}, "imageId": 7}
        (root / dataset / "ann" / f"{name}.json").write_text(json.dumps(annotation))
    return root
