"""Preprocesses images of any size to a batch of model inputs.

Shape letters: B images, H W the model input.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.data import resize
from mrcnn.data.resize import ResizePlan


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
        images: at least one, each as for `as_model_image`.
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
    for index, pixels in enumerate(as_model_images(images, channels=channels)):
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


def as_model_images(images: Iterable[np.ndarray], *, channels: int = 3) -> Iterator[np.ndarray]:
    """Yields images as `as_model_image` converts them.

    Raises:
        ValueError: an array is not an image; the message has its index.
    """
    for index, image in enumerate(images):
        try:
            yield as_model_image(image, channels=channels)
        except ValueError as error:
            raise ValueError(f"image {index}: {error}") from error


def as_model_image(image: np.ndarray, *, channels: int = 3) -> np.ndarray:
    """Converts an image to the model's channel count.

    For a model of 3 channels, grey becomes three equal channels and an alpha channel is dropped.

    Args:
        image: `[H, W]`, `[H, W, 1]`, `[H, W, 3]` RGB or `[H, W, 4]` RGBA uint8; for a model of other than 3 channels
            `[H, W, channels]`.
        channels: channel count of the model input.

    Returns:
        `[H, W, channels]` uint8.

    Raises:
        ValueError: the array has another dtype or shape.
    """
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8:
        raise ValueError(f"an image must be uint8 with values 0..255, got {pixels.dtype}; convert it first")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise ValueError(f"an image must be [height, width] or [height, width, channels], got {list(pixels.shape)}")
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3 and pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    if channels == 3 and pixels.shape[2] == 4:
        return pixels[..., :3]
    raise ValueError(f"the model takes images with {channels} channels, got {pixels.shape[2]}")
