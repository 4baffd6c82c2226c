"""Maps of whole images: draws the semantic map of annotations, and moves maps with their image.

Wherever an image is cut, scaled or moved, its maps are too, by the nearest pixel; what comes from outside the image is
`UNLABELLED`. A map is `[H, W]` uint8.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from mrcnn.data.resize import ResizePlan
from mrcnn.structures import UNLABELLED, Instances

THING = 0  # class of all countable objects in a semantic map
OUTSIDE = 0  # in a label map of imgaug, which fills up with it


def semantic_map(instances: Instances, stuff: Sequence[tuple[Any, int]], *, height: int, width: int) -> np.ndarray:
    """Draws the classes of an image's pixels.

    Objects and groups of objects are things, and are above stuff. Pixels of neutral objects, and those that nothing
    covers, are `UNLABELLED`.

    Args:
        instances: the objects and regions to ignore, in pixels of the image.
        stuff: annotated regions, each with its class from 1; a later one is above an earlier one.
        height: of the image, pixels.
        width: of the image, pixels.
    """
    drawn = np.full((height, width), UNLABELLED, np.uint8)
    for region, number in stuff:
        if (piece := region.to_mask(height, width)) is not None:
            mask, (y, x) = piece
            drawn[y : y + mask.shape[0], x : x + mask.shape[1]][mask] = number
    is_neutral = instances.ignore & (instances.class_ids == 0)
    for index in (*np.flatnonzero(is_neutral), *np.flatnonzero(~is_neutral)):
        y1, x1, y2, x2 = instances.boxes[index].astype(int)
        drawn[y1:y2, x1:x2][instances.masks[index]] = UNLABELLED if is_neutral[index] else THING
    return drawn


def to_input(drawn: np.ndarray, plan: ResizePlan) -> np.ndarray:
    """Fits a map into the model input, as its image.

    Returns:
        `[*plan.input_hw]` uint8.
    """
    y1, x1, y2, x2 = plan.window
    fitted = np.full(plan.input_hw, UNLABELLED, np.uint8)
    fitted[y1:y2, x1:x2] = scaled(drawn, plan.new_hw)
    return fitted


def scaled(drawn: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Scales a map; each new pixel has the value at its middle."""
    return cv2.resize(drawn, size_hw[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def placed(
    maps: Mapping[str, np.ndarray], *, scaled_hw: tuple[int, int], cut_yx: tuple[int, int], canvas_hw: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Scales maps and cuts or pads them to a canvas; the arguments are those of `scale_jitter.Placement`."""
    (top, left), (height, width) = cut_yx, canvas_hw
    moved = {}
    for name, drawn in maps.items():
        part = scaled(drawn, scaled_hw)[top : top + height, left : left + width]
        moved[name] = np.full(canvas_hw, UNLABELLED, np.uint8)
        moved[name][: part.shape[0], : part.shape[1]] = part
    return moved


def covered(maps: Mapping[str, np.ndarray], things: np.ndarray) -> dict[str, np.ndarray]:
    """Draws things, `[H, W]` bool, over semantic maps."""
    return {name: np.where(things, np.uint8(THING), drawn) for name, drawn in maps.items()}


def to_label_maps(maps: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Converts maps to label maps for imgaug, int32, in which `UNLABELLED` is 0, the value imgaug fills up with."""
    return [np.where(drawn == UNLABELLED, OUTSIDE, drawn.astype(np.int32) + 1) for drawn in maps.values()]


def from_label_maps(names: Sequence[str], label_maps: np.ndarray) -> dict[str, np.ndarray]:
    """Converts augmented label maps `[H, W, maps]` back; inverse of `to_label_maps`."""
    restored = np.where(label_maps == OUTSIDE, UNLABELLED, label_maps - 1).astype(np.uint8)
    return {name: np.ascontiguousarray(restored[..., index]) for index, name in enumerate(names)}
