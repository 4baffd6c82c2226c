"""How far the exported model's detections of one image are from the live model's.

The detections are paired one to one and every difference is measured.
Shape letters: N detections, H W the image.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mrcnn.structures import Detections

_PAIR_PX = 1.0  # two detections of one class whose edges are all this near are one object


class Tolerances(NamedTuple):
    """How far an exported model may be from the live one; float32 noise is a hundredth of this.

    Attributes:
        box_px: of a box's edge, pixels of the image.
        score: of a detection's score; also how near to a cut-off an unpaired detection counts as decided by rounding.
        mask_pixels: of a mask; or, where that is more, ...
        mask_share: ... this share of the pixels either mask has.
        unpaired_share: of all detections: two boxes that overlap by just the suppression's limit may fall either way.
        rounded_share: of the pairs, where boxes are whole pixels: an edge near a half may be rounded either way.
    """

    box_px: float = 0.1
    score: float = 1e-3
    mask_pixels: int = 2
    mask_share: float = 0.01
    unpaired_share: float = 0.01
    rounded_share: float = 0.1


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
        mask_pixels: most pixels in which a pair's masks differ.
        mask_iou: smallest overlap of a pair's masks, 1 without a pair.
        masks_off: pairs whose masks differ by more than the tolerance.
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
    mask_pixels: int
    mask_iou: float
    masks_off: int


def compare(
    live: Detections,
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
        live: the live model's.
        exported: the signature's outputs.
        name: of the image.
        signature: of the SavedModel.
        score_threshold: what scores less was dropped.
        most: detections an image can have; a full list's last score is a cut-off too.
        tolerances: for what counts as borderline, as rounded the other way, and as a mask that differs.
        rounding_px: how far an edge moves when it is rounded the other way; 0 where boxes are not rounded.

    Raises:
        ValueError: the signature's outputs are not detections of an image of that size.
    """
    size = live.masks.shape[1:]
    _check(exported, size)
    pairs = _pair(live, exported, radius=max(_PAIR_PX, rounding_px))
    left, right = (np.array([pair[side] for pair in pairs], int) for side in (0, 1))
    apart = np.abs(live.boxes[left] - exported["boxes"][right]).max(axis=1, initial=0.0)
    same = (apart <= tolerances.box_px) | (apart > rounding_px)
    masks = [
        _mask_difference(live.masks[a], exported["masks"][b]) for a, b in zip(left[same], right[same], strict=True)
    ]
    alone = np.concatenate([np.delete(live.scores, left), np.delete(exported["scores"], right)])
    full = len(live.scores) >= most and len(exported["scores"]) >= most
    cutoff = max(score_threshold, min(live.scores.min(), exported["scores"].min()) if full else 0.0)
    borderline = int((alone <= cutoff + tolerances.score).sum())
    return Comparison(
        image=name,
        height=size[0],
        width=size[1],
        signature=signature,
        live=len(live.scores),
        exported=len(exported["scores"]),
        paired=len(pairs),
        borderline=borderline,
        unpaired=len(alone) - borderline,
        rounded=int((~same).sum()),
        box_px=float(apart[same].max(initial=0.0)),
        score=float(np.abs(live.scores[left] - exported["scores"][right]).max(initial=0.0)),
        mask_pixels=max((off for off, _ in masks), default=0),
        mask_iou=min((1.0 - off / union for off, union in masks), default=1.0),
        masks_off=sum(off > max(tolerances.mask_pixels, tolerances.mask_share * union) for off, union in masks),
    )


def _check(exported: Mapping[str, np.ndarray], size: tuple[int, ...]) -> None:
    count = len(exported["scores"])
    shapes = {"boxes": (count, 4), "class_ids": (count,), "scores": (count,), "masks": (count, *size)}
    for key, shape in shapes.items():
        if exported[key].shape != shape:
            raise ValueError(f"the output `{key}` must have the shape {shape}, got {exported[key].shape}")


def _pair(live: Detections, exported: Mapping[str, np.ndarray], *, radius: float) -> list[tuple[int, int]]:
    """Pairs every live detection, best first, with the nearest free exported one of its class."""
    pairs = []
    free = np.ones(len(exported["scores"]), bool)
    for index, (box, class_id) in enumerate(zip(live.boxes, live.class_ids, strict=True)):
        distance = np.abs(exported["boxes"] - box).max(axis=1, initial=0.0)
        distance[~free | (exported["class_ids"] != class_id)] = np.inf
        if len(distance) and distance.min() <= radius:
            nearest = int(distance.argmin())
            free[nearest] = False
            pairs.append((index, nearest))
    return pairs


def _mask_difference(live: np.ndarray, exported: np.ndarray) -> tuple[int, int]:
    """Gives the pixels in which two masks differ and those of their union; no mask is empty."""
    exported = exported.astype(bool)
    return int((live ^ exported).sum()), int((live | exported).sum())
