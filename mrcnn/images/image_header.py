"""Reads size, sample format and orientation from an image's header, without decoding pixels."""

import contextlib
import io
import math
import re
import warnings
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, TiffImagePlugin

from mrcnn.errors import UserError
from mrcnn.images import limits

EXIF_ORIENTATION = 0x0112  # the tag
Image.init()  # registers all formats; otherwise some are recognized only from their second use on
Image.MAX_IMAGE_PIXELS = None  # the limit of `limits` replaces the library's own

_PNG, _PNG_BITS = b"\x89PNG\r\n\x1a\n", 24  # signature, and offset of the byte with the bits of a sample
_JPEG, _MOST_SCANS = b"\xff\xd8", 100  # each scan covers all pixels; files usually have 1 or about 10
INTEGER_FORMATS = (_PNG, _JPEG)  # signatures
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)  # inside a scan, 0 or a restart marker follows an FF
_SCAN, _END, _WITHOUT_LENGTH = 0xDA, 0xD9, (0x01, 0xD8)
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT, _FORMAT = (
    256, 257, 258, 262, 277, 322, 323, 339,
)  # fmt: skip
_CMYK = 5  # of _PHOTOMETRIC
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3  # of _FORMAT
_KINDS = {_UNSIGNED: "integer", _SIGNED: "signed integer", _FLOAT: "float"}
_DEEP_MODES = {"I": 4, "F": 4, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}


class Header(NamedTuple):
    """The header of an image file.

    Attributes:
        size_hw: height and width as stored.
        decoded_bytes: size of its decoded pixels, or of one of its tiles where that is larger.
        orientation: from the EXIF block; None for a TIFF, which OpenCV always turns.
        wrong: why its samples cannot be read, the end of an error message; empty where they can.
        bits: per sample; 8 where there are fewer.
    """

    size_hw: tuple[int, int]
    decoded_bytes: int
    orientation: int | None = 1
    wrong: str = ""
    bits: int = 8


def read(data: np.ndarray) -> Header | None:
    """Reads the header of an image file from its bytes.

    Args:
        data: `[n]` uint8, the file's bytes.

    Returns:
        None where the header is broken or the format is unknown.
    """
    return read_stream(io.BytesIO(data.tobytes()))


def read_stream(stream: BinaryIO) -> Header | None:
    """Reads the header of an image file from a stream, without the pixels.

    Args:
        stream: at its beginning.

    Returns:
        None where the header is broken or the format is unknown.
    """
    with contextlib.suppress(Exception), warnings.catch_warnings():  # a parser of untrusted bytes may raise anything
        warnings.simplefilter("ignore")  # about a large image or an odd EXIF block: both do not affect the size
        start = stream.read(_PNG_BITS + 1)
        stream.seek(0)
        if start.startswith(_TIFF):
            return _read_tiff(stream)
        with Image.open(stream) as image:
            depth = _DEEP_MODES.get(image.mode, 1)
            if start.startswith(_PNG) and start[_PNG_BITS] > 8:
                depth = 2
            samples = max(3, len(image.getbands()))
            orientation = _orientation(image.info.get("exif", b""))
            decoded = image.height * image.width * samples * depth
            return Header((image.height, image.width), decoded, orientation, bits=8 * depth)
    return None


def _orientation(exif: bytes) -> int:
    if not exif:
        return 1
    block = Image.Exif()
    block.load(exif)
    orientation: int = block.get(EXIF_ORIENTATION, 1)
    return orientation


def check(header: Header, data: np.ndarray, *, name: str, most: int | None = None) -> None:
    """Checks that an image file is safe to decode and has a supported sample format.

    Args:
        header: of the file.
        data: `[n]` uint8, the file's bytes.
        name: of the image, for error messages.
        most: maximum size of the decoded pixels, bytes; None for the default of `limits`.

    Raises:
        UserError: the decoded image would be too large, its sample format is unsupported, a PNG is cut off, or a JPEG
            has too many scans.
    """
    limits.check_decoded(header.decoded_bytes, what=f"the image {name}", most=most, key="max_image_mb")
    if header.wrong:
        raise UserError(f"the image {name} {header.wrong}")
    start = data[:8].tobytes()
    if start.startswith(_PNG) and not has_all_chunks(data.tobytes()):
        raise UserError(f"cannot decode the image {name}: it is cut off or broken, a part of it is longer than all")
    if start.startswith(_JPEG) and _scans(data.tobytes()) > _MOST_SCANS:
        raise UserError(f"the image {name} has more than {_MOST_SCANS} scans; save it as a baseline JPEG")


def _scans(jpeg: bytes) -> int:
    """Counts the scans of a JPEG up to its end marker; previews may follow it."""
    count, place = 0, 2
    while marker := _MARKER.search(jpeg, place):
        place, kind = marker.end(), jpeg[marker.end() - 1]
        if kind == _END:
            break
        if kind not in _WITHOUT_LENGTH:
            place += int.from_bytes(jpeg[place : place + 2])
        count += kind == _SCAN
    return count


def has_all_chunks(png: bytes) -> bool:
    """Checks whether the chunks of a PNG end within its bytes.

    The decoder allocates memory for the length that a chunk declares, even if the file is shorter.
    """
    place = len(_PNG)
    while place + 8 <= len(png):
        length, kind = int.from_bytes(png[place : place + 4]), png[place + 4 : place + 8]
        place += 12 + length  # beside the content: length, kind and check sum
        if kind == b"IEND":
            break
    return place <= len(png)


def _read_tiff(stream: BinaryIO) -> Header:
    start = stream.read(8)
    if 43 in start[2:4]:  # BigTIFF
        start += stream.read(8)
    tags = TiffImagePlugin.ImageFileDirectory_v2(start)
    stream.seek(tags.next)
    tags.load(stream)
    height, width, samples = int(tags[_HEIGHT]), int(tags[_WIDTH]), int(tags.get(_SAMPLES, 1))
    bits, kinds = _numbers(tags.get(_BITS, 1)), _numbers(tags.get(_FORMAT, _UNSIGNED))
    tile = math.prod(int(tags.get(tag, 0)) for tag in (_TILE_WIDTH, _TILE_HEIGHT))
    decoded = max(height * width, tile) * max(3, samples) * -(-max(bits) // 8)
    wrong = _why_unread(max(bits), max(kinds), tags.get(_PHOTOMETRIC))
    return Header((height, width), decoded, None, wrong, bits=max(8, *bits))


def _why_unread(bits: int, kind: int, photometric: int | None) -> str:
    if bits > 16 or kind in (_SIGNED, _FLOAT):
        named = f"{_KINDS.get(kind, 'unknown')}{bits}".replace("signed integer", "int").replace("integer", "uint")
        return f"must have 8 or 16 bits a channel, got {named}; convert it"
    if photometric == _CMYK:
        return "is a TIFF with CMYK colours; convert it to RGB"
    return ""


def _numbers(value: object) -> list[int]:
    return [int(number) for number in (value if isinstance(value, tuple | list) else (value,))] or [1]
