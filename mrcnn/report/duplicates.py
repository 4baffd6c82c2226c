"""Finds images that look the same, by a perceptual hash.

The hash is dHash: of an image reduced to 16 x 17 grey values, whether each value is larger than its left neighbour.
It hardly changes when an image is resized, compressed again or made brighter. Images of few details have similar
hashes though they differ, so that the grey values of a pair are compared, too.
Source: N. Krawetz, "Kind of Like That" (2013). The ImageHash library has it too; it needs PyWavelets, which nothing
else here does, and reads images through Pillow, while the ones here are decoded already.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

SIDE = 16  # rows of the reduced image, which has a column more
MOST_BITS = 20  # of 256 that differ between two images that look the same
MOST_GREY = 6.0  # mean difference of the grey values, 0-255, their means set equal


class Pair(NamedTuple):
    """Two images that look the same.

    Attributes:
        first: index of an image.
        second: index of another, larger than `first`.
        bits: number of bits of the hash that differ, of 256.
    """

    first: int
    second: int
    bits: int


def look_of(image: np.ndarray) -> bytes:
    """Reduces an image to 16 x 17 grey values, a byte each, row by row.

    Args:
        image: `[H, W, channels]` uint8.
    """
    grey = image.mean(axis=2, dtype=np.float32) if image.shape[2] != 3 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    return np.rint(small).astype(np.uint8).tobytes()


def hash_of(look: bytes) -> np.ndarray:
    """Computes dHash of a reduced image: `[4]` uint64, 256 bits."""
    values = np.frombuffer(look, np.uint8).reshape(SIDE, SIDE + 1)
    return np.packbits(values[:, 1:] > values[:, :-1]).view(np.uint64)


def find(looks: Sequence[bytes]) -> list[Pair]:
    """Finds the pairs of images that look the same.

    The time grows with the square of the number of images: about 5 seconds for 10,000.

    Args:
        looks: of the images, from `look_of`.

    Returns:
        Pairs in the order of their first, then their second image.
    """
    if len(looks) < 2:
        return []
    hashes = np.stack([hash_of(look) for look in looks])
    pairs = []
    for first in range(len(looks) - 1):
        bits = np.bitwise_count(hashes[first + 1 :] ^ hashes[first]).sum(axis=1)
        for offset in np.flatnonzero(bits <= MOST_BITS).tolist():
            second = first + 1 + offset
            if _grey_difference(looks[first], looks[second]) <= MOST_GREY:
                pairs.append(Pair(first, second, int(bits[offset])))
    return pairs


def _grey_difference(look: bytes, other: bytes) -> float:
    first, second = (np.frombuffer(one, np.uint8).astype(np.float32) for one in (look, other))
    return float(np.abs((first - first.mean()) - (second - second.mean())).mean())
