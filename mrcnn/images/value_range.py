"""Finds the value range of 16-bit images and scales it to 8 bits.

Cameras store 10, 12 or 14 bits in 16-bit files; divided by 256, such images would be nearly black.
"""

import os
import random
from collections.abc import Sequence

import cv2
import numpy as np

from mrcnn.errors import UserError
from mrcnn.images import image_file, image_header

RANGES = (255, 1023, 4095, 16383)  # the largest value of 8, 10, 12 and 14 bits
LARGEST = 65535
MOST_FILES = 500  # files that are read to find the range; most sets have fewer


def find(paths: Sequence[str | os.PathLike[str]]) -> int | None:
    """Finds the value range of the 16-bit images of a set.

    Args:
        paths: of image files. Of more than `MOST_FILES`, a random sample of that size is read, always the same.

    Returns:
        The smallest of `RANGES` that is not below any value; None where there is no 16-bit image, or where a value is
        above all of `RANGES`.
    """
    chosen = random.Random(0).sample(list(paths), min(len(paths), MOST_FILES))
    largest = max(map(_largest_value, chosen), default=0)
    return next((limit for limit in RANGES if 0 < largest <= limit), None)


def to_8_bits(image: np.ndarray, limit: int | None) -> np.ndarray:
    """Scales 16-bit values to 8 bits.

    Args:
        image: uint16, any shape.
        limit: value that becomes 255; larger values become 255 too. None divides by 256.

    Returns:
        uint8 of the same shape; rounded to the nearest, without `limit` rounded down.
    """
    if limit is None:
        return (image // 256).astype(np.uint8)
    values = np.minimum(np.arange(LARGEST + 1, dtype=np.int64), limit)
    table = ((values * 255 + limit // 2) // limit).astype(np.uint8)
    return np.asarray(table[image])


def _largest_value(path: str | os.PathLike[str]) -> int:
    """Reads the largest value of a 16-bit image, without its alpha channel.

    Returns:
        0 for an 8-bit or a broken image; a broken one is reported later, where it is used.
    """
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
