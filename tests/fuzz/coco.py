"""COCO files through the converter; what it writes must be a project that can be read."""

import json
import tempfile
from pathlib import Path

import cv2
import numpy as np

from mrcnn.convert import coco
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.project.reader import Project
from tests.fuzz import mutations

HEIGHT, WIDTH = 24, 32
NAMES = ("a.png", "b.png", "sub/c.png")
RING = [4, 4, 20, 4, 20, 18, 4.5, 18]
RUNS = [50, 10, 14, 10, HEIGHT * WIDTH - 84]
SEGMENTATIONS = (
    [RING],
    [RING, [1, 1, 3, 1, 3, 3]],
    RING,
    [[[4, 4], [20, 4], [20, 18]]],
    [list(map(str, RING))],
    {"size": [HEIGHT, WIDTH], "counts": RUNS},
    {"size": [HEIGHT, WIDTH], "counts": "b1:>0nd0"},  # the same runs, packed
    [],
    None,
)
CONTENT = {
    "info": {"year": 2020},
    "licenses": [],
    "images": [
        {"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH} for number, name in enumerate(NAMES, 1)
    ],
    "categories": [
        {"id": 0, "name": "animals", "supercategory": "none"},
        {"id": 1, "name": "cat", "supercategory": "animals"},
        {"id": 2, "name": "dog", "supercategory": "animals"},
    ],
    "annotations": [
        {
            "id": number,
            "image_id": number % len(NAMES) + 1,
            "category_id": number % 2 + 1,
            "segmentation": segmentation,
            "iscrowd": int(number == 5),
            "bbox": [4, 4, 16, 14],
            "area": 200,
        }
        for number, segmentation in enumerate(SEGMENTATIONS)
    ],
}
IMAGE = cv2.imencode(".png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))[1].tobytes()


class _Lines(EventLog):
    """Checks each line of the log."""

    def emit(self, message: str, *, level: str = "info", **fields: object) -> None:
        assert len(message) <= 700, f"a line of {len(message)} characters: {message[:200]}"
        assert message.isprintable(), f"a line with control characters: {message!r:.200}"

    def progress(self, subtask: str, current: int, total: int) -> None:
        """Passes over progress."""


def convert(rng: np.random.Generator) -> None:
    """Converts a damaged annotation file and reads the project."""
    content = mutations.mutate_json(CONTENT, rng, most=6)
    data = json.dumps(content).encode()
    if rng.random() < 0.2:
        data = mutations.mutate_bytes(data, rng)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "img" / "sub").mkdir(parents=True)
        for name in NAMES:
            (root / "img" / name).write_bytes(IMAGE)
        (root / "a.json").write_bytes(data)
        split = coco.Split("train", root / "a.json", root / "img")
        coco.convert([split], root / "out", _Lines(), crowds_as_objects=bool(rng.random() < 0.5))
        try:
            project = Project.open(root / "out")
            for item in project.items:
                for label in item.read_annotation(project.meta).labels:
                    label.geometry.to_mask(HEIGHT, WIDTH)
        except UserError as error:
            raise AssertionError(f"the project is malformed: {error}") from error
