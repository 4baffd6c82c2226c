"""The images on which an exported model is compared with the live one.

They come from a folder; without one they are bundled photographs.
"""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from skimage import data

from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.predict import sources

MAX_IMAGES = 16  # most images of a folder that are used, evenly spread over its sorted names


class Picture(NamedTuple):
    """An image to compare on: its name and `[H, W, channels]` uint8."""

    name: str
    image: np.ndarray


def folder_pictures(
    folder: str | Path, *, channels: int, image_range: int | None = None, log: EventLog, most: int = MAX_IMAGES
) -> list[Picture]:
    """Reads at most `most` images of a folder; reports and skips unreadable ones.

    Args:
        folder: the image folder.
        channels: channel count of the arrays.
        image_range: as for `images.pixels.read_image`.
        log: receives why an image is skipped.
        most: largest number of images.

    Raises:
        UserError: the folder does not exist, or has no image that can be read.
    """
    source = sources.open_images(folder)
    count = len(source.entries)
    chosen = [index * count // most for index in range(most)] if count > most else range(count)
    source = replace(source, entries=tuple(source.entries[index] for index in chosen))
    read = sources.read_pictures(
        source, channels=channels, log=log, on_skip=lambda title: None, image_range=image_range
    )
    pictures = [Picture(source.entries[picture.index].title, picture.image) for picture in read]
    if not pictures:
        raise UserError(f"none of the images in {folder} could be read; see the messages before this one")
    return pictures


def bundled_pictures(*, max_dim: int, channels: int) -> list[Picture]:
    """Returns scikit-image's photographs: whole, cropped, and smaller and larger than the model input.

    Args:
        max_dim: longest side of the model input in pixels.
        channels: channel count of the arrays.
    """
    coins, astronaut = data.coins(), data.astronaut()
    large = cv2.resize(astronaut, (max_dim + max_dim // 4, max_dim + max_dim // 2))
    images = {
        "coins": coins,
        "coins, narrow": coins[:, 20:130],
        "coins, small": coins[20:80, 20:100],  # most models enlarge it
        "astronaut": astronaut,
        "astronaut, wide": astronaut[:150],
        "astronaut, large": large,
    }
    return [Picture(name, _with_channels(image, channels)) for name, image in images.items()]


def _with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    if image.ndim == 3 and channels == 3:
        return image
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.repeat(grey[..., None], channels, axis=2)
