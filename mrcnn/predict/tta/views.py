"""The views of an image, and how boxes get from a view to the image and back.

Source: detectron2's `DatasetMapperTTA` (modeling/test_time_augmentation.py): each short side, then its mirror
image. Its rule for the long side, one limit for all views, is kept for models that fit images as detectron2 does; other
models have a limit for each view, see `views_of`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.data import resize
from mrcnn.data.resize import ResizePlan
from mrcnn.images.fit import rule

STEP = 64  # pixels; the sides of a square input are multiples of it
EIGHTHS = range(4, 13)  # of the model's own short side: those of the views unless they are given


class View(NamedTuple):
    """A size of the model input at which an image is seen.

    Attributes:
        min_dim: target of the image's short side, pixels.
        max_dim: limit of its long side, pixels.
        side: height and width of a square input; None for the smallest rectangle.
        flip: whether the image is mirrored left to right.
    """

    min_dim: int
    max_dim: int
    side: int | None = None
    flip: bool = False


def views_of(
    min_dims: Sequence[int] | None, *, max_dim: int, flip: bool, usual: tuple[int, int], shape: str, fit: str
) -> tuple[View, ...]:
    """Lists the views of test-time augmentation.

    The long side of a view is at most `max_dim`. A rule that does not shrink the short side, and a square input, need a
    limit that grows with the view, since with the same limit all views of a large image would be equal: there the
    limit is also the usual one times `min_dim` / usual `min_dim`.

    Args:
        min_dims: the short side of each view, pixels; None for nine, from half to one and a half times the usual one.
        max_dim: limit of the long side, pixels.
        flip: whether the mirror image of each view is a view too.
        usual: `min_dim` and `max_dim` of the model's own input, pixels.
        shape: of the model's own input, `rectangle` or `square`.
        fit: the rule of `resize.resize_plan`.

    Returns:
        The views in the order of `min_dims`, each followed by its mirror image with `flip`.
    """
    short, long = min(usual), usual[1]  # a `min_dim` above `max_dim` has no effect
    found = []
    for min_dim in min_dims or [max(1, round(short * eighth / 8)) for eighth in EIGHTHS]:
        scaled = max(1, round(long * min_dim / short))
        if shape == "square":
            most = max(STEP, max_dim // STEP * STEP)
            view = View(min_dim, min(scaled, most), side=min(-(-scaled // STEP) * STEP, most))
        else:
            view = View(min_dim, max_dim if rule(fit).shrinks else min(scaled, max_dim))
        found += [view, view._replace(flip=True)] if flip else [view]
    return tuple(found)


def flipped(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Mirrors images `[H, W, channels]` left to right."""
    return [np.ascontiguousarray(image[:, ::-1]) for image in images]


def boxes_to_image(boxes: np.ndarray, plan: ResizePlan, *, flip: bool, rounding: str) -> np.ndarray:
    """Converts boxes of a view to pixels of the image.

    Args:
        boxes: `[N, 4]` real, yxyx pixels of the model input.
        plan: how the image, or with `flip` its mirror image, was fitted.
        flip: of the view.
        rounding: the model's rule, as for `resize.boxes_to_original`; the boxes are not rounded yet.

    Returns:
        `[N, 4]` float64, so that `boxes_to_view` gets exactly the same boxes back.
    """
    moved = resize.boxes_unrounded(boxes, plan, rounding=rounding)
    return _mirrored(moved, plan.original_hw[1]) if flip else moved


def boxes_to_view(boxes: np.ndarray, plan: ResizePlan, *, flip: bool, rounding: str) -> np.ndarray:
    """Converts boxes of the image to pixels of the model input of a view; the inverse of `boxes_to_image`.

    Args:
        boxes: `[N, 4]` float64, yxyx pixels of the image.
        plan: as for `boxes_to_image`.
        flip: as for `boxes_to_image`.
        rounding: as for `boxes_to_image`.

    Returns:
        `[N, 4]` float32, not clipped.
    """
    moved = _mirrored(boxes, plan.original_hw[1]) if flip else boxes
    return resize.boxes_restored(moved, plan, rounding=rounding)


def _mirrored(boxes: np.ndarray, width: int) -> np.ndarray:
    y1, x1, y2, x2 = np.moveaxis(boxes, -1, 0)
    return np.stack([y1, width - x2, y2, width - x1], axis=-1)
