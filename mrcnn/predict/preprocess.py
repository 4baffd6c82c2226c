"""Preprocesses images of any size to a batch of model inputs.

Shape letters: B images, H W the model input.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.data import resize
from mrcnn.data.resize import ResizePlan
from mrcnn.predict import model_image


class Prepared(NamedTuple):
    """A batch of model inputs with the resize plans that map detections back.

    Attributes:
        images: `[B, H, W, channels]` float32, RGB 0-255, zero outside `windows`.
        windows: `[B, 4]` float32, the un-padded part of each image, yxyx pixels of the model input.
        plans: how each image was resized and padded.
        indices: place of each image in the list that was prepared.
    """

    images: np.ndarray
    windows: np.ndarray
    plans: tuple[ResizePlan, ...]
    indices: tuple[int, ...]


def prepare(
    images: Sequence[np.ndarray],
    *,
    min_dim: int,
    max_dim: int,
    shape: str = "square",
    channels: int = 3,
    image_resize: str = "exact",
    fit: str = "centred",
    input_hw: tuple[int, int] | None = None,
) -> list[Prepared]:
    """Resizes images and pads them with zeros to model inputs.

    Images of one shape are in one batch.

    Args:
        images: at least one, each as for `model_image.as_model_image`.
        min_dim: target of the short side in pixels; images are enlarged to it as far as `max_dim` allows.
        max_dim: longest side of the model input in pixels.
        shape: of the model input, as for `resize.resize_plan`.
        channels: channel count of the model input.
        image_resize: the method of `resize.resize_image`.
        fit: the rule of `resize.resize_plan`.
        input_hw: height and width of the model input, instead of those by `shape`.

    Returns:
        One batch for each shape; within a batch the images keep their order.

    Raises:
        ValueError: an array is not an image; the message has its index in the list.
    """
    groups: dict[tuple[int, int], list[tuple[int, np.ndarray, ResizePlan]]] = {}
    for index, pixels in enumerate(model_image.as_model_images(images, channels=channels)):
        plan = resize.resize_plan(
            *pixels.shape[:2], min_dim=min_dim, max_dim=max_dim, shape=shape, fit=fit, input_hw=input_hw
        )
        groups.setdefault(plan.input_hw, []).append((index, pixels, plan))
    return [_batch(group, image_resize) for group in groups.values()]


def _batch(group: Sequence[tuple[int, np.ndarray, ResizePlan]], image_resize: str) -> Prepared:
    indices, images, plans = zip(*group, strict=True)
    resized = [
        resize.resize_image(pixels, plan, method=image_resize) for pixels, plan in zip(images, plans, strict=True)
    ]
    windows = np.array([plan.window for plan in plans], dtype=np.float32)
    return Prepared(np.stack(resized), windows, plans, indices)
