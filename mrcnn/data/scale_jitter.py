"""Large-scale jitter: scales an image at random, then cuts or pads it.

Source: Ghiasi et al. (2021), large-scale jittering; the size is that of detectron2's `ResizeScale`, and the padding is
below and right, as by its `FixedSizeCrop`. Different from there: the place of the cut is drawn for each axis, and the
padding is 0.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

from mrcnn.data import maps
from mrcnn.data.rasterize import from_masks
from mrcnn.fields import arrays, extras
from mrcnn.structures import Instances

HALF = 0.5 - 1e-6  # share of a pixel from which an object covers it


class Placement(NamedTuple):
    """Position of a scaled image on a canvas.

    Attributes:
        scaled_hw: height and width of the whole image after scaling, pixels.
        cut_yx: rows and columns of the scaled image above and left of the canvas.
        canvas_hw: height and width of the canvas.
    """

    scaled_hw: tuple[int, int]
    cut_yx: tuple[int, int]
    canvas_hw: tuple[int, int]


def draw(
    image_hw: tuple[int, int],
    canvas_hw: tuple[int, int],
    *,
    scales: tuple[float, float],
    rng: np.random.Generator | np.random.RandomState,
) -> Placement:
    """Draws a scale and a place.

    Args:
        image_hw: height and width of the image.
        canvas_hw: height and width of the canvas.
        scales: least and largest factor of the size at which the whole image just fits into the canvas.
        rng: random generator.
    """
    fitting = min(canvas / side for canvas, side in zip(canvas_hw, image_hw, strict=True))
    factor = rng.uniform(*scales) * fitting
    height, width = (max(1, round(side * factor)) for side in image_hw)
    y, x = (
        round(max(0, side - canvas) * rng.random()) for side, canvas in zip((height, width), canvas_hw, strict=True)
    )
    return Placement((height, width), (y, x), canvas_hw)


def place(image: np.ndarray, instances: Instances, placement: Placement) -> tuple[np.ndarray, Instances]:
    """Scales an image with its objects and puts it on a canvas.

    Args:
        image: `[H, W, channels]` uint8; left unchanged.
        instances: its objects and regions to ignore.
        placement: size and position in the result.

    Returns:
        The canvas, `[*canvas_hw, channels]` uint8, 0 outside the image, and the objects on it with tight boxes. A pixel
        belongs to an object that covers at least half of it; an object without a pixel is left out.
    """
    size, (top, left), (height, width) = placement
    scale_y, scale_x = size[0] / image.shape[0], size[1] / image.shape[1]
    shrinks = size[0] < image.shape[0]
    resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    part = resized.reshape(*size, -1)[top : top + height, left : left + width]  # OpenCV drops a single channel's axis
    canvas = np.zeros((height, width, image.shape[2]), np.uint8)
    canvas[: part.shape[0], : part.shape[1]] = part
    kept, masks, corners = [], [], []
    for index, (box, mask) in enumerate(zip(instances.boxes.astype(int), instances.masks, strict=True)):
        first_row, rows = _shares(box[0], len(mask), scale=scale_y, cut=top, limit=height)
        first_column, columns = _shares(box[1], mask.shape[1], scale=scale_x, cut=left, limit=width)
        covered = rows @ mask.astype(np.float32) @ columns.T >= HALF
        x, y, box_width, box_height = cv2.boundingRect(covered.view(np.uint8)) if covered.size else (0, 0, 0, 0)
        if box_width:
            kept.append(index)
            masks.append(covered[y : y + box_height, x : x + box_width])
            corners.append((first_row + y, first_column + x))
    moved = extras.transformed(instances.extras, scale=(scale_y, scale_x), shift=(-top, -left))
    placed = from_masks(
        masks=masks,
        corners=corners,
        class_ids=instances.class_ids[kept],
        ignore=instances.ignore[kept],
        extras=arrays.take(moved, kept),
    )
    return canvas, placed._replace(facts=instances.facts, maps=maps.placed(instances.maps, **placement._asdict()))


def _shares(first: int, count: int, *, scale: float, cut: int, limit: int) -> tuple[int, np.ndarray]:
    """Computes the overlap of canvas pixels and scaled mask pixels along one axis.

    Args:
        first: of the mask, pixels of the image.
        count: pixels of the mask.
        scale: new side / old side.
        cut: pixels of the scaled image before the canvas.
        limit: side of the canvas.

    Returns:
        The first canvas pixel that the mask touches, and `[pixels, count]` float32: the share of each canvas pixel,
        from that one on, that lies in each pixel of the mask; no rows where the mask is off the canvas.
    """
    edges = (first + np.arange(count + 1)) * scale - cut
    begin, end = max(0, math.floor(edges[0])), min(limit, math.ceil(edges[-1]))
    pixels = np.arange(begin, max(begin, end))[:, None]
    overlap = np.minimum(pixels + 1, edges[None, 1:]) - np.maximum(pixels, edges[None, :-1])
    return begin, np.clip(overlap, 0, 1).astype(np.float32)
