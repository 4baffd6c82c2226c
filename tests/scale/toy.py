"""A small predictor without TensorFlow, which finds bright areas, for the tests of jobs and engines.

It is a `StagedPredictor` as any other; only its network is replaced. `TOY_SECONDS` is how long an image takes, and
processes that open it write their ids into the folder `TOY_PROCESSES`.
"""

import os
import time
from pathlib import Path

import cv2
import numpy as np

from mrcnn.errors import UserError
from mrcnn.predict import compact
from mrcnn.predict.facts import ModelFacts
from mrcnn.predict.staged import StagedPredictor
from mrcnn.project.meta import ClassMeta
from mrcnn.structures import Choices, Detections

OPENER = "tests.scale.toy:open_predictor"
NAMES = ("bg", "dim", "bright")


class BrightAreas(StagedPredictor):
    """Finds connected areas brighter than 100; those above 200 are of class 2, and the score is brightness / 255."""

    builds_graph = False
    fields = {}  # noqa: RUF012 - the interface's property

    def __init__(self, model):
        metas = tuple(ClassMeta(name, "bitmap", "#00FF00") for name in NAMES[1:])
        super().__init__(ModelFacts(NAMES, metas, 64, 64, Choices()))
        self._model, self._seconds = model, float(os.environ.get("TOY_SECONDS", "0"))
        self._seen, self._is_lost = 0, False

    def identity(self):
        return {"model": {"weights": Path(self._model).read_text() if os.path.exists(self._model) else self._model}}

    def with_choices(self, **changes):
        return self

    def prepare(self, images):
        return [list(images)]

    def detect(self, batch):
        self._seen += 1
        if self._model == "killed once" and self._seen == 3 and _is_first():
            os._exit(9)
        if self._model == "lost" or (self._model == "lost once" and self._seen == 6 and _is_first()):
            self._is_lost = True
        if self._is_lost:
            raise RuntimeError("the device is gone")
        time.sleep(self._seconds * len(batch))
        return batch

    def finish(self, batches, raw):
        return [compact.from_dense(find(image[..., 0])) for image in raw[0]]


def _is_first():
    """Checks whether this is the first process that asks."""
    try:
        (Path(os.environ["TOY_PROCESSES"]) / "first").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def find(grey):
    """Finds the bright areas of a `[H, W]` image, best first."""
    count, areas = cv2.connectedComponents((grey > 100).astype(np.uint8), connectivity=4)
    masks = [areas == index for index in range(1, count)]
    masks.sort(key=lambda mask: -int(grey[mask].max()))
    values = [int(grey[mask].max()) for mask in masks]
    boxes = [(*np.argwhere(mask).min(axis=0), *(np.argwhere(mask).max(axis=0) + 1)) for mask in masks]
    ids = [1 + (value > 200) for value in values]
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(ids, np.int32),
        tuple(NAMES[number] for number in ids),
        np.array(values, np.float32) / np.float32(255),
        np.array(masks, bool).reshape(-1, *grey.shape),
    )


def open_predictor(work, log):
    """Opens the predictor; models of certain names cannot be opened."""
    if work.model == "broken":
        raise UserError("the model broken is broken; repair it")
    if folder := os.environ.get("TOY_PROCESSES"):
        (Path(folder) / str(os.getpid())).touch()
    if work.model == "killed":
        os._exit(9)
    if work.model == "breaks" and work.identity is not None:  # it is None while the job is described
        raise UserError("the model breaks only in workers")
    log.warning("a toy")
    return BrightAreas(work.model)


def write_images(folder, count, *, broken=()):
    """Writes small images with up to three bright areas, the same for the same number; some cannot be decoded."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{number:04d}.png"
        if number in broken:
            path.write_bytes(b"no image")
            continue
        random = np.random.default_rng(number)
        image = np.zeros((24 + number % 5, 32, 3), np.uint8)
        for place in range(number % 4):
            image[4 : 12 + place, 2 + 10 * place : 8 + 10 * place] = random.integers(101, 256)
        cv2.imwrite(str(path), image)
    return folder
