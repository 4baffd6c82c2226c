"""Fits an image into the model input, and converts boxes between both.

Source: Matterport's `resize_image`, mode "square". The default avoids three of its defects: the border does not fade to
black, values are not cut to whole numbers, and each axis has its own scale (a rounded side is not exactly `scale` times
the old one). Older models need the inputs that they were trained on, including these defects: see `METHODS` and
`ROUNDINGS`.
"""

from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image
from skimage import transform

from mrcnn.images.fit import fitted, rule, smallest_rectangle

SHAPES = ("rectangle", "square")
METHODS = ("exact", "truncated", "smoothed")
ROUNDINGS = ("never", "at_end", "before_nms")
_LAST = (0.0, 0.0, 1.0, 1.0)  # distance from a box's last pixel to its exclusive end


class ResizePlan(NamedTuple):
    """Size and position of an image in the model input, in pixels except `scale`.

    Attributes:
        original_hw: height and width of the image.
        new_hw: its height and width after scaling.
        scale: the factor before the sides were rounded.
        pad_top: rows of zeros above it.
        pad_left: columns of zeros left of it.
        input_hw: height and width of the model input.
    """

    original_hw: tuple[int, int]
    new_hw: tuple[int, int]
    scale: float
    pad_top: int
    pad_left: int
    input_hw: tuple[int, int]

    @property
    def window(self) -> tuple[int, int, int, int]:
        """The box of the image in the model input, yxyx pixels, exclusive ends."""
        return self.pad_top, self.pad_left, self.pad_top + self.new_hw[0], self.pad_left + self.new_hw[1]

    @property
    def scale_yx(self) -> tuple[float, float]:
        """The scale of each axis (y, x): new side / old side."""
        return self.new_hw[0] / self.original_hw[0], self.new_hw[1] / self.original_hw[1]


def resize_plan(
    height: int,
    width: int,
    *,
    min_dim: int,
    max_dim: int,
    shape: str = "square",
    input_hw: tuple[int, int] | None = None,
    fit: str = "centred",
) -> ResizePlan:
    """Computes size and padding of an image in the model input.

    The size is that of `images.fit.fitted`. Of a centred padding an odd pixel goes below or right.

    Args:
        height: of the image, pixels.
        width: of the image, pixels.
        min_dim: target of the short side, pixels.
        max_dim: the longest side of the model input, pixels.
        shape: `square`: `max_dim` x `max_dim`; `rectangle`: the smallest rectangle that holds the scaled image, its
            sides multiples of the step of the rule.
        input_hw: the model input's height and width, instead of those by `shape`; an image that it does not hold is
            scaled down to fit.
        fit: the rule, a key of `images.fit.FITS`.

    Raises:
        ValueError: a size is below 1, the shape is none of `SHAPES`, or the rule is unknown.
    """
    if shape not in SHAPES:
        raise ValueError(f"the shape must be one of {', '.join(SHAPES)}, got {shape!r}")
    scale, new_hw = fitted(height, width, min_dim=min_dim, max_dim=max_dim, fit=fit)
    if input_hw is None:
        input_hw = smallest_rectangle(new_hw, fit=fit) if shape == "rectangle" else (max_dim, max_dim)
    elif new_hw[0] > input_hw[0] or new_hw[1] > input_hw[1]:
        scale = min(input_hw[0] / height, input_hw[1] / width)
        new_hw = (min(input_hw[0], max(1, round(height * scale))), min(input_hw[1], max(1, round(width * scale))))
    return ResizePlan(
        original_hw=(height, width),
        new_hw=new_hw,
        scale=scale,
        pad_top=(input_hw[0] - new_hw[0]) // 2 if rule(fit).centred else 0,
        pad_left=(input_hw[1] - new_hw[1]) // 2 if rule(fit).centred else 0,
        input_hw=input_hw,
    )


def resize_image(image: np.ndarray, plan: ResizePlan, *, method: str = "exact") -> np.ndarray:
    """Scales an image and pads it with zeros to the model input.

    All methods are bilinear with half-pixel centres. `exact`: edge pixels repeated, no smoothing before shrinking, no
    rounding. `truncated` (Matterport, by scikit-image): pixels outside count as 0, so that an enlarged image fades at
    its edges, though not below its smallest value, and values are cut to whole numbers. `smoothed` (the Supervisely
    plugin, by Pillow): the filter widens with the factor when shrinking, and values are rounded.

    Args:
        image: `[H, W, channels]` of any real dtype, H and W those of the plan; uint8 for `smoothed`.
        plan: size and position in the result.
        method: one of `METHODS`.

    Returns:
        `[*plan.input_hw, channels]` float32.

    Raises:
        ValueError: the image has another size than the plan, or the method is unknown.
    """
    if method not in METHODS:
        raise ValueError(f"the resize method must be one of {', '.join(METHODS)}, got {method!r}")
    if image.ndim != 3 or image.shape[:2] != plan.original_hw:
        raise ValueError(f"an image of shape {image.shape} does not fit a plan for {plan.original_hw} and channels")
    height, width = plan.new_hw
    pixels = image
    if plan.new_hw != plan.original_hw:
        scale = {"exact": _exact, "truncated": _truncated, "smoothed": _smoothed}[method]
        pixels = scale(image, height, width)
    padded = np.zeros((*plan.input_hw, image.shape[2]), np.float32)
    y1, x1, y2, x2 = plan.window
    padded[y1:y2, x1:x2] = pixels.reshape(height, width, -1)  # OpenCV drops a single channel's axis
    return padded


def boxes_to_input(boxes: np.ndarray, plan: ResizePlan) -> np.ndarray:
    """Converts boxes from pixels of the image to pixels of the model input.

    Args:
        boxes: `[..., 4]` real, yxyx pixels of the image.
        plan: how the image was fitted.

    Returns:
        `[..., 4]` float32, yxyx pixels of the model input, not rounded, not clipped.
    """
    scale_y, scale_x = plan.scale_yx
    offset = (plan.pad_top, plan.pad_left) * 2
    return (np.asarray(boxes, np.float64) * (scale_y, scale_x, scale_y, scale_x) + offset).astype(np.float32)


def boxes_to_original(boxes: np.ndarray, plan: ResizePlan, *, rounding: str = "never") -> np.ndarray:
    """Converts boxes from pixels of the model input to pixels of the image.

    Without rounding it is the inverse of `boxes_to_input`.

    Args:
        boxes: `[..., 4]` real, yxyx pixels of the model input.
        plan: how the image was fitted.
        rounding: `never`; `at_end` as Matterport, which maps the centres of the window's first and last pixels onto
            those of the image and rounds half to even; `before_nms` as the Supervisely plugin, which multiplies both
            axes by the smaller factor and cuts the fraction off.

    Returns:
        `[..., 4]` float32, yxyx pixels of the image, not clipped.

    Raises:
        ValueError: the rounding is none of `ROUNDINGS`.
    """
    return rounded(boxes_unrounded(boxes, plan, rounding=rounding), rounding=rounding)


def boxes_unrounded(boxes: np.ndarray, plan: ResizePlan, *, rounding: str = "never") -> np.ndarray:
    """Converts boxes as `boxes_to_original` does, up to the rounding.

    Returns:
        `[..., 4]` float64, yxyx pixels of the image, from which `boxes_restored` finds the same boxes again.

    Raises:
        ValueError: the rounding is none of `ROUNDINGS`.
    """
    fixed, factor = _axes(plan, rounding)
    moved = np.asarray(boxes, np.float64) - (plan.pad_top, plan.pad_left) * 2
    return (moved - fixed) * factor + fixed


def boxes_restored(boxes: np.ndarray, plan: ResizePlan, *, rounding: str = "never") -> np.ndarray:
    """Converts boxes back to the model input; the inverse of `boxes_unrounded`.

    Args:
        boxes: `[..., 4]` float64, yxyx pixels of the image.
        plan: how the image was fitted.
        rounding: as for `boxes_to_original`.

    Returns:
        `[..., 4]` float32, yxyx pixels of the model input, not rounded, not clipped.

    Raises:
        ValueError: the rounding is none of `ROUNDINGS`.
    """
    fixed, factor = _axes(plan, rounding)
    factor = np.where(factor > 0, factor, 1.0)  # 0 by `at_end` in an image of one pixel, where all boxes are equal
    moved = (np.asarray(boxes, np.float64) - fixed) / factor + fixed
    return (moved + (plan.pad_top, plan.pad_left) * 2).astype(np.float32)


def rounded(boxes: np.ndarray, *, rounding: str) -> np.ndarray:
    """Rounds boxes in pixels of the image by a rule of `boxes_to_original`; `[..., 4]` float32."""
    if rounding == "at_end":
        boxes = np.rint(boxes)
    elif rounding == "before_nms":
        boxes = np.trunc(boxes)
    return boxes.astype(np.float32)


def _axes(plan: ResizePlan, rounding: str) -> tuple[np.ndarray, np.ndarray]:
    """Finds how boxes without padding become boxes of the image: the fixed points and the factors, `[4]` each."""
    if rounding not in ROUNDINGS:
        raise ValueError(f"the rounding must be one of {', '.join(ROUNDINGS)}, got {rounding!r}")
    sides = list(zip(plan.original_hw, plan.new_hw, strict=True)) * 2
    if rounding == "at_end":
        return np.array(_LAST), np.array([(old - 1) / max(new - 1, 1) for old, new in sides])
    factor = np.array([old / new for old, new in sides])
    return np.zeros(4), np.full(4, factor.min()) if rounding == "before_nms" else factor


def _exact(image: np.ndarray, height: int, width: int) -> np.ndarray:
    return cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def _truncated(image: np.ndarray, height: int, width: int) -> np.ndarray:
    scaled = transform.resize(
        image, (height, width), order=1, mode="constant", cval=0, preserve_range=True, anti_aliasing=False
    )
    return np.trunc(scaled)


def _smoothed(image: np.ndarray, height: int, width: int) -> np.ndarray:
    planes = [np.ascontiguousarray(image[..., channel]) for channel in range(image.shape[2])]
    scaled = [Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR) for plane in planes]
    return np.stack([np.asarray(plane) for plane in scaled], axis=-1)
