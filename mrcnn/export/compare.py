"""Compares the exported model's detections of one image with the live model's.

The live model is the Keras model that was exported. Detections are paired one to one and all differences are measured.
Shape letters: N detections, H W the image.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mrcnn.export.precision import Tolerances
from mrcnn.fields import arrays, extras
from mrcnn.ops import mask_paste
from mrcnn.structures import Detections, OutputRules

_PAIR_PX = 1.0  # pixels: detections of one class whose edges differ by no more than this are paired


class Live(NamedTuple):
    """The live model's detections of an image.

    Attributes:
        found: the detections.
        probabilities: `[N, M, M]` float32, each detection's mask probabilities on the M x M grid of its box.
        rules: how boxes were rounded and masks resized.
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
    """Differences between one exported function's detections of an image and the live model's.

    Attributes:
        image: name of the image.
        height: of the image, pixels.
        width: of the image, pixels.
        signature: name of the exported model's function.
        live: number of detections of the live model.
        exported: number of detections of the exported model.
        paired: number of pairs, one detection of each model.
        borderline: number of unpaired detections within the score tolerance of a cut-off.
        unpaired: number of other unpaired detections, of both models.
        rounded: number of pairs with an edge that was rounded to the other side; the differences of boxes and masks
            below leave these pairs out.
        box_px: largest difference of an edge, pixels.
        score: largest difference of a score.
        boxes_off: number of pairs with an edge that differs by more than the tolerance.
        mask_probability: largest difference of a mask's probabilities, without the share of cells that may differ by
            more; 0 for a function that returns none.
        mask_pixels: largest number of pixels in which a pair's masks differ although the live probability is farther
            from the threshold than the tolerance.
        mask_iou: smallest IoU of a pair's masks, 1 without a pair.
        masks_off: number of pairs whose masks differ by more than a tolerance.
        fields_off: number of pairs of which an extra field differs by more than its tolerance.
        map_share: largest share of the pixels of a map of the image whose values differ; 0 without maps.
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
    fields_off: int = 0
    map_share: float = 0.0


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
    """Measures the differences between the two models' detections of one image.

    Args:
        live: the live model's detections with their mask probabilities.
        exported: the function's outputs, see `outputs.of_detections`.
        name: name of the image.
        signature: name of the exported model's function.
        score_threshold: the threshold of both models; detections that score less were dropped.
        most: largest number of detections of an image; the last score of a full list is a cut-off too.
        tolerances: limits from which a detection counts as borderline, as rounded to the other side, or as different.
        rounding_px: distance in pixels that an edge moves when it is rounded to the other side; 0 if boxes are not
            rounded.

    Raises:
        ValueError: the function's outputs are not detections of an image of this size.
    """
    found, scores = live.found, exported["scores"]
    size = found.masks.shape[1:]
    _check(exported, size, found)
    further = {name: exported[name] for name in found.extras}
    limits = np.maximum(tolerances.box_px, tolerances.box_share * _longer_sides(found.boxes))
    pairs = _pair(found, exported, radii=np.maximum(max(_PAIR_PX, rounding_px), limits))
    left, right = (np.array([pair[side] for pair in pairs], int) for side in (0, 1))
    apart = np.abs(found.boxes[left] - exported["boxes"][right]).max(axis=1, initial=0.0)
    same = (apart <= limits[left]) | (apart > rounding_px)
    differences = [
        _compare_masks(live, exported, pair, tolerances=tolerances)
        for pair in zip(left[same], right[same], strict=True)
    ]
    own, fields = arrays.take(found.extras, left[same]), arrays.take(further, right[same])
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
        fields_off=int(extras.differing(own, fields, count=int(same.sum())).sum()),
        map_share=max((float((own != exported[name]).mean()) for name, own in found.maps.items()), default=0.0),
    )


def _check(exported: Mapping[str, np.ndarray], size: tuple[int, ...], found: Detections) -> None:
    count = len(exported["scores"])
    shapes = {"boxes": (count, 4), "class_ids": (count,), "scores": (count,), "masks": (count, *size)}
    shapes |= {name: (count, *values.shape[1:]) for name, values in found.extras.items()}
    shapes |= dict.fromkeys(found.maps, size)
    for key, shape in shapes.items():
        if key not in exported:
            raise ValueError(f"the output `{key}` of shape {shape} is missing")
        if exported[key].shape != shape:
            raise ValueError(f"the output `{key}` must have the shape {shape}, got {exported[key].shape}")


def _longer_sides(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0.0)


def _pair(live: Detections, exported: Mapping[str, np.ndarray], *, radii: np.ndarray) -> list[tuple[int, int]]:
    """Pairs each live detection, in order, with the nearest unpaired exported one of its class.

    Args:
        live: the live model's detections by descending score.
        exported: the function's outputs, see `outputs.of_detections`.
        radii: `[N]`, pixels: how far the edges of each live detection may be from its partner's.

    Returns:
        (index in `live`, index in `exported`) of each pair.
    """
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

    The live probabilities are pasted into the exported box, because the distance of the boxes is measured separately.
    Still, the models sampled their grids at places as far apart as the boxes. The tolerance grows by this distance in
    cells times the largest difference of two neighbouring cells.
    """
    own, other = pair
    grid, box, mask = live.probabilities[own], exported["boxes"][other], exported["masks"][other].astype(bool)
    side = max(float(_longer_sides(live.found.boxes[own][None])[0]), 1.0)
    cells = len(grid) * float(np.abs(live.found.boxes[own] - box).max()) / side
    steepest = max(float(np.abs(np.diff(grid, axis=axis)).max(initial=0.0)) for axis in (0, 1))
    most = limit = tolerances.mask_probability + cells * steepest
    height, width = mask.shape
    values, (top, left) = mask_paste.paste_values(grid, box, height=height, width=width, method=live.rules.mask_paste)
    if live.rules.mask_paste == "stretched":  # stretching the probabilities to 0..1 enlarges differences too
        limit /= max(float(np.ptp(grid)), limit)
    inside = (slice(top, top + values.shape[0]), slice(left, left + values.shape[1]))
    threshold = live.rules.mask_threshold
    wrong = ((values >= threshold) != mask[inside]) & (np.abs(values - threshold) > limit)
    pixels = int(wrong.sum()) + int(mask.sum()) - int(mask[inside].sum())  # outside of its box a mask is empty
    probability = 0.0
    if "probabilities" in exported:
        ordered = np.sort(np.abs(grid - exported["probabilities"][other]), axis=None)
        probability = float(ordered[-1 - int(tolerances.chosen_share * grid.size)])
    before = live.found.masks[own]
    return _MaskDifference(
        probability=probability,
        pixels=pixels,
        iou=1.0 - int((before ^ mask).sum()) / int((before | mask).sum()),  # masks are never empty
        off=pixels > tolerances.mask_pixels or probability > most,
    )
