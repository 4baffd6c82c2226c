"""How far the exported model's detections of one image are from the live model's.

The detections are paired one to one and every difference is measured.
Shape letters: N detections, H W the image.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mrcnn.export.precision import Tolerances
from mrcnn.ops import masks
from mrcnn.structures import Detections, OutputRules

_PAIR_PX = 1.0  # two detections of one class whose edges are all this near are one object


class Live(NamedTuple):
    """What the live model found in an image.

    Attributes:
        found: its detections.
        probabilities: `[N, M, M]` float32, of each mask on the grid of its box.
        rules: how the masks were drawn.
    """

    found: Detections
    probabilities: np.ndarray
    rules: OutputRules


class _MaskDifference(NamedTuple):
    probability: float
    pixels: int
    iou: float
    off: bool


@dataclass(frozen=True)
class Comparison:
    """What one signature gave for one image beside what the live model gave.

    Attributes:
        image: its name.
        height: of the image.
        width: of the image.
        signature: of the SavedModel.
        live: detections of the live model.
        exported: detections of the exported one.
        paired: how many of them are the same object.
        borderline: unpaired ones within the score tolerance of a cut-off.
        unpaired: the other ones of either model.
        rounded: pairs with an edge that was rounded the other way; the rest of this record leaves their boxes and masks
            out.
        box_px: largest difference of an edge.
        score: largest difference of a score.
        boxes_off: pairs with an edge that differs by more than the tolerance.
        mask_probability: largest difference of a mask's probabilities; 0 for a signature, which returns none.
        mask_pixels: most pixels in which a pair's masks differ although the live probability is farther from the
            threshold than the tolerance.
        mask_iou: smallest overlap of a pair's masks, 1 without a pair.
        masks_off: pairs whose masks differ by more than a tolerance.
    """

    image: str
    height: int
    width: int
    signature: str
    live: int
    exported: int
    paired: int
    borderline: int
    unpaired: int
    rounded: int
    box_px: float
    score: float
    boxes_off: int
    mask_probability: float
    mask_pixels: int
    mask_iou: float
    masks_off: int


def compare(
    live: Live,
    exported: Mapping[str, np.ndarray],
    *,
    name: str,
    signature: str,
    score_threshold: float,
    most: int,
    tolerances: Tolerances,
    rounding_px: float = 0.0,
) -> Comparison:
    """Measures how two lists of detections of one image differ.

    Args:
        live: the live model's, with what its masks were made of.
        exported: the signature's outputs.
        name: of the image.
        signature: the SavedModel's function.
        score_threshold: what scores less was dropped.
        most: detections an image can have; a full list's last score is a cut-off too.
        tolerances: for what counts as borderline, as rounded the other way, and as a mask that differs.
        rounding_px: how far an edge moves when it is rounded the other way; 0 where boxes are not rounded.

    Raises:
        ValueError: the signature's outputs are not detections of an image of that size.
    """
    found, scores = live.found, exported["scores"]
    size = found.masks.shape[1:]
    _check(exported, size)
    limits = np.maximum(tolerances.box_px, tolerances.box_share * _longer_sides(found.boxes))
    pairs = _pair(found, exported, radii=np.maximum(max(_PAIR_PX, rounding_px), limits))
    left, right = (np.array([pair[side] for pair in pairs], int) for side in (0, 1))
    apart = np.abs(found.boxes[left] - exported["boxes"][right]).max(axis=1, initial=0.0)
    same = (apart <= limits[left]) | (apart > rounding_px)
    differences = [
        _compare_masks(live, exported, pair, tolerances=tolerances)
        for pair in zip(left[same], right[same], strict=True)
    ]
    alone = np.concatenate([np.delete(found.scores, left), np.delete(scores, right)])
    full = len(found.scores) >= most and len(scores) >= most
    cutoff = max(score_threshold, min(found.scores.min(), scores.min()) if full else 0.0)
    borderline = int((alone <= cutoff + tolerances.score).sum())
    return Comparison(
        image=name,
        height=size[0],
        width=size[1],
        signature=signature,
        live=len(found.scores),
        exported=len(scores),
        paired=len(pairs),
        borderline=borderline,
        unpaired=len(alone) - borderline,
        rounded=int((~same).sum()),
        box_px=float(apart[same].max(initial=0.0)),
        score=float(np.abs(found.scores[left] - scores[right]).max(initial=0.0)),
        boxes_off=int((apart > limits[left])[same].sum()),
        mask_probability=max((mask.probability for mask in differences), default=0.0),
        mask_pixels=max((mask.pixels for mask in differences), default=0),
        mask_iou=min((mask.iou for mask in differences), default=1.0),
        masks_off=sum(mask.off for mask in differences),
    )


def _check(exported: Mapping[str, np.ndarray], size: tuple[int, ...]) -> None:
    count = len(exported["scores"])
    shapes = {"boxes": (count, 4), "class_ids": (count,), "scores": (count,), "masks": (count, *size)}
    for key, shape in shapes.items():
        if exported[key].shape != shape:
            raise ValueError(f"the output `{key}` must have the shape {shape}, got {exported[key].shape}")


def _longer_sides(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0.0)


def _pair(live: Detections, exported: Mapping[str, np.ndarray], *, radii: np.ndarray) -> list[tuple[int, int]]:
    """Pairs every live detection, best first, with the nearest free exported one of its class."""
    pairs = []
    free = np.ones(len(exported["scores"]), bool)
    for index, (box, class_id) in enumerate(zip(live.boxes, live.class_ids, strict=True)):
        distance = np.abs(exported["boxes"] - box).max(axis=1, initial=0.0)
        distance[~free | (exported["class_ids"] != class_id)] = np.inf
        if len(distance) and distance.min() <= radii[index]:
            nearest = int(distance.argmin())
            free[nearest] = False
            pairs.append((index, nearest))
    return pairs


def _compare_masks(
    live: Live, exported: Mapping[str, np.ndarray], pair: tuple[int, int], *, tolerances: Tolerances
) -> _MaskDifference:
    """Compares the masks of a pair.

    The live probabilities are drawn in the exported box: how far the boxes are apart is measured by itself. Still, the
    two grids were sampled at places as far apart as the boxes, over which a probability changes as between two cells.
    """
    own, other = pair
    grid, box, mask = live.probabilities[own], exported["boxes"][other], exported["masks"][other].astype(bool)
    side = max(float(_longer_sides(live.found.boxes[own][None])[0]), 1.0)
    cells = len(grid) * float(np.abs(live.found.boxes[own] - box).max()) / side
    steepest = max(float(np.abs(np.diff(grid, axis=axis)).max(initial=0.0)) for axis in (0, 1))
    most = limit = tolerances.mask_probability + cells * steepest
    height, width = mask.shape
    values, (top, left) = masks.paste_values_numpy(grid, box, height=height, width=width, method=live.rules.mask_paste)
    if live.rules.mask_paste == "stretched":  # enlarges differences, too
        limit /= max(float(np.ptp(grid)), limit)
    inside = (slice(top, top + values.shape[0]), slice(left, left + values.shape[1]))
    threshold = live.rules.mask_threshold
    wrong = ((values >= threshold) != mask[inside]) & (np.abs(values - threshold) > limit)
    pixels = int(wrong.sum()) + int(mask.sum()) - int(mask[inside].sum())  # outside of its box a mask is empty
    probability = float(np.abs(grid - exported["probabilities"][other]).max()) if "probabilities" in exported else 0.0
    before = live.found.masks[own]
    return _MaskDifference(
        probability=probability,
        pixels=pixels,
        iou=1.0 - int((before ^ mask).sum()) / int((before | mask).sum()),  # no mask is empty
        off=pixels > tolerances.mask_pixels or probability > most,
    )
