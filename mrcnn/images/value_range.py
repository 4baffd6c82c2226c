"""The range of 16-bit images: cameras write 10, 12 or 14 bits into them, which would be black if divided by 256."""

import os
import random
from collections.abc import Sequence

import cv2
import numpy as np

from mrcnn.errors import UserError
from mrcnn.images import image_file, image_header

RANGES = (255, 1023, 4095, 16383)  # the largest value of 8, 10, 12 and 14 bits
LARGEST = 65535
MOST_FILES = 500  # that are looked at; all of most sets


def find(paths: Sequence[str | os.PathLike[str]]) -> int | None:
    """Finds the range that a set of images uses.

    Args:
        paths: of image files; of many, `MOST_FILES` chosen at random, always the same, and of these those of 16 bits.

    Returns:
        The smallest of `RANGES` that holds all their values; None where there is no 16-bit image, or none is enough.
    """
    chosen = random.Random(0).sample(list(paths), min(len(paths), MOST_FILES))
    largest = max(map(_largest_value, chosen), default=0)
    return next((limit for limit in RANGES if 0 < largest <= limit), None)


def to_8_bits(image: np.ndarray, limit: int | None) -> np.ndarray:
    """Scales uint16 values so that `limit` becomes 255, rounded; larger ones are 255 too. None divides by 256."""
    if limit is None:
        return (image // 256).astype(np.uint8)
    values = np.minimum(np.arange(LARGEST + 1, dtype=np.int64), limit)
    table = ((values * 255 + limit // 2) // limit).astype(np.uint8)
    return np.asarray(table[image])


def _largest_value(path: str | os.PathLike[str]) -> int:
    """Returns the largest value of a 16-bit image, 0 of another; a broken one is reported where it is used."""
    try:
        data = image_file.read_bytes(path)
        header = image_header.read(data)
        if header is None or header.bits <= 8:
            return 0
        image = image_file.decode(data, cv2.IMREAD_UNCHANGED, name=os.fspath(path))
        colours = image[..., : 3 if image.shape[2] == 4 else 1 if image.shape[2] == 2 else None]  # no alpha channel
        return int(colours.max())
    except UserError:
        return 0
