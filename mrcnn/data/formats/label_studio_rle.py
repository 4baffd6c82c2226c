"""Decodes the run lengths of Label Studio's brush.

Source: the format of thi.ng/rle-pack, as Label Studio's front end and its converter use it: a stream of bits with the
number of values (32 bits), the bits of a value less one (5), four sizes of counts less one (4 each), and then runs. A
run is a bit, the choice of a count's size (2), the count less one, and either one value (bit 1, a repeated value) or as
many values as counted (bit 0). The values are the RGBA samples of the image, row by row.
"""

import numpy as np

from mrcnn.errors import UserError
from mrcnn.images import limits

SAMPLES = 4  # of a pixel; the last, alpha, is the mask
_BYTE = 8  # bits


def decode(data: bytes, *, height: int, width: int) -> np.ndarray:
    """Decodes a mask.

    Args:
        data: the packed bits.
        height: of the image, pixels.
        width: of the image, pixels.

    Returns:
        `[height, width]` bool, true where alpha is not zero.

    Raises:
        UserError: the bits are cut off, or are for another size.
    """
    bits = _Bits(data)
    count = bits.take(32)
    if count != height * width * SAMPLES:
        raise UserError(f"`rle` has {count} samples, an image of {width} x {height} pixels has {SAMPLES} a pixel")
    word = bits.take(5) + 1
    sizes = [bits.take(4) + 1 for _ in range(4)]
    dtype = np.dtype(np.uint8 if word <= _BYTE else np.uint32)
    limits.check_decoded(count * dtype.itemsize, what="the mask")
    samples = np.empty(count, dtype)
    position = 0
    while position < count:
        is_repeated = bits.take(1)
        end = position + bits.take(sizes[bits.take(2)]) + 1
        if end > count:
            raise UserError(f"`rle` has more than its {count} samples")
        if is_repeated:
            samples[position:end] = bits.take(word)
        else:
            samples[position:end] = bits.take_many(end - position, word)
        position = end
    return samples.reshape(height, width, SAMPLES)[..., -1] != 0


class _Bits:
    """A stream of bits, the highest bit of each byte first."""

    def __init__(self, data: bytes):
        self._bits = np.unpackbits(np.frombuffer(data, np.uint8))
        self._position = 0

    def take(self, size: int) -> int:
        return int.from_bytes(np.packbits(self._next(size), bitorder="big").tobytes(), "big") >> (-size % 8)

    def take_many(self, count: int, size: int) -> np.ndarray:
        places = 1 << np.arange(size - 1, -1, -1, dtype=np.uint64)
        return np.asarray(self._next(count * size).reshape(count, size) @ places)

    def _next(self, size: int) -> np.ndarray:
        start, self._position = self._position, self._position + size
        if self._position > len(self._bits):
            raise UserError("`rle` is cut off")
        return self._bits[start : self._position]
