"""Matterport's stored results, in our units.

Its boxes are shares of the image: (pixels - (0, 0, 1, 1)) / (side - 1). The model's own frame inside, under
`box_normalization` minus_one, is the same without the division: q = pixels - (0, 0, 1, 1).
Shape letters: N instances, A anchors.
"""

from functools import cache
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[1] / "data"
INFERENCE = DATA / "matterport_inference.npz"
TRAINING = DATA / "matterport_training.npz"
SIDE = 256  # pixels of the model input
SHIFT = np.array([0, 0, 1, 1], np.float32)
CLASSES = 5  # with background
LOSSES = ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss")
MASK_SLOTS = 56  # side of a stored ground-truth mask


@cache
def inference() -> dict[str, np.ndarray]:
    """Reads the results of detecting in one photograph."""
    return _read(INFERENCE)


@cache
def training() -> dict[str, np.ndarray]:
    """Reads the results of one training step."""
    return _read(TRAINING)


def to_inner(boxes: np.ndarray) -> np.ndarray:
    """Brings Matterport's boxes, shares of the image, into the model's inner frame: q = pixels - (0, 0, 1, 1)."""
    return boxes * np.float32(SIDE - 1)


def to_pixels(boxes: np.ndarray) -> np.ndarray:
    """Brings Matterport's boxes, shares of the image, into pixels of the model input."""
    return to_inner(boxes) + SHIFT


def unpack(arrays: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Unpacks the bits stored as `<name>_packed` to a bool array of shape `<name>_shape`."""
    shape = arrays[f"{name}_shape"]
    return np.unpackbits(arrays[f"{name}_packed"])[: np.prod(shape)].reshape(shape).astype(bool)


def anchor_state(match: np.ndarray) -> np.ndarray:
    """Turns Matterport's match `[A]` (1 object, -1 background, 0 neither) into ours (1, 0, -1)."""
    return np.select([match == 1, match == -1], [1, 0], default=-1).astype(np.int32)


def anchor_deltas(match: np.ndarray, packed: np.ndarray) -> np.ndarray:
    """Puts Matterport's deltas, one row per object anchor in order, at their anchors: `[A, 4]`, zeros elsewhere."""
    deltas = np.zeros((len(match), 4), np.float32)
    objects = np.flatnonzero(match == 1)
    deltas[objects] = packed[: len(objects)]
    return deltas


def _read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return dict(arrays)
