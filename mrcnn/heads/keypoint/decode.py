"""Decoding of the keypoint head's maps to points, by the rules of detectron2 and torchvision.

Each map is enlarged to the whole pixels of its region by bicubic interpolation, and the point is the centre of the
largest pixel. The rules differ in the score alone.
Shape letters: P regions, K points, S side of a map, h w pixels of an enlarged map.
Source: `heatmaps_to_keypoints` of detectron2 (structures/keypoints.py) and torchvision (detection/roi_heads.py).
"""

from typing import NamedTuple

from keras import ops

from mrcnn.ops.boxes import corners_xy
from mrcnn.structures import Tensor

DECODING = ("detectron2", "torchvision")
_SHARPNESS = -0.75  # of the bicubic kernel, as in PyTorch
_TAPS = (-1.0, 0.0, 1.0, 2.0)  # neighbours of a pixel along an axis


class _Peaks(NamedTuple):
    """The largest pixel of each enlarged map: its (x, y) `[P, K, 2]` in whole pixels, and its value `[P, K]`."""

    place: Tensor
    value: Tensor


def decode_keypoints(
    logits: Tensor, boxes: Tensor, *, rule: str = "detectron2", limits: tuple[int, int] | None = None
) -> Tensor:
    """Finds the point of each map, and its score.

    Args:
        logits: `[P, S, S, K]` float32, at least one region.
        boxes: `[P, 4]` float32, yxyx; sides below 1 count as 1.
        rule: the score is, by `detectron2`, the peak of the enlarged map after a softmax over the map's cells, and, by
            `torchvision`, the logit at the peak.
        limits: largest height and width of a box in whole pixels, where the shapes of a graph must be static; None to
            enlarge each map to the size of its own box only.

    Returns:
        `[P, K, 3]` float32: x, y in the pixels of `boxes`, and the score.

    Raises:
        ValueError: the rule is unknown.
    """
    if rule not in DECODING:
        raise ValueError(f"the decoding must be one of {', '.join(DECODING)}, got {rule!r}")
    start, end = corners_xy(boxes)  # [P, 2]
    sides = ops.maximum(end - start, 1.0)
    pixels = ops.ceil(sides)
    maps = ops.transpose(ops.cast(logits, "float32"), (0, 3, 1, 2))  # [P, K, S, S]
    peaks = _Peaks(*ops.map(lambda each: _peak(*each, limits=limits), (maps, pixels)))
    places = (peaks.place + 0.5) * (sides / pixels)[:, None] + start[:, None]
    scores = peaks.value
    if rule == "detectron2":
        scores = ops.exp(peaks.value - ops.logsumexp(maps, axis=(2, 3)))
    return ops.concatenate([places, scores[..., None]], axis=-1)


def _peak(maps: Tensor, pixels: Tensor, *, limits: tuple[int, int] | None) -> _Peaks:
    """Finds the largest pixel of the maps of one region, `[K, S, S]`, enlarged to `pixels` (w, h)."""
    height, width = limits or (ops.cast(pixels[1], "int32"), ops.cast(pixels[0], "int32"))
    size = maps.shape[-1]
    rows, columns = _bicubic(pixels[1], size, length=height), _bicubic(pixels[0], size, length=width)
    large = ops.matmul(ops.matmul(rows, maps), ops.transpose(columns))  # [K, h, w]
    inside = (_count(height) < pixels[1])[:, None] & (_count(width) < pixels[0])[None]
    flat = ops.reshape(ops.where(inside, large, float("-inf")), (maps.shape[0], -1))
    value, count = ops.max(flat, axis=1), ops.shape(flat)[1]
    # the first largest; Keras's argmax takes twice as long or more, and has an operator that ONNX lacks
    index = ops.min(ops.where(flat == value[:, None], ops.arange(count, dtype="int32"), count), axis=1)
    place = ops.cast(ops.stack([index % width, index // width], axis=-1), "float32")
    return _Peaks(place, value)


def _bicubic(pixels: Tensor, size: int, *, length: Tensor | int) -> Tensor:
    """Computes the matrix that enlarges `size` values to `pixels`, `[length, size]`, half-pixel centres."""
    source = (_count(length) + 0.5) * (size / pixels) - 0.5
    base = ops.floor(source)
    weights = 0.0
    for tap in _TAPS:
        neighbour = base + tap
        near = ops.cast(ops.clip(neighbour, 0, size - 1)[:, None] == _count(size), "float32")
        weights = weights + near * _kernel(ops.abs(source - neighbour))[:, None]
    return weights


def _kernel(distance: Tensor) -> Tensor:
    a = _SHARPNESS
    inner = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    outer = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return ops.where(distance <= 1, inner, outer)


def _count(length: Tensor | int) -> Tensor:
    return ops.cast(ops.arange(length, dtype="int32"), "float32")
