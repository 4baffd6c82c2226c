"""Reads instance masks, in which each object has its own pixel value.

The value 0 is the background. A palette file is read as the indices of its palette, not as colours, because two indices
may share a colour.
Source: Penn-Fudan's `PedMasks` (8-bit), Pascal VOC's `SegmentationObject` (palette); 16 bits as written by OpenCV.
Shape letters: H W mask.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from mrcnn.data.coco.objects import MOST_DRAWN
from mrcnn.errors import UserError
from mrcnn.images import image_file, image_header
from mrcnn.project.geometry import Bitmap

MASK_EXTENSIONS = frozenset({".png", ".bmp", ".tif", ".tiff"})  # JPEG and WebP change the values of pixels

_PALETTE = "P"  # a mode of Pillow
_SAMPLE_BITS = 16  # room for a sample of any depth in the number of a colour


class ColorError(UserError):
    """A mask has colours, but colours are not to be read as objects."""


def read_indices(path: Path, *, colors_are_objects: bool = False) -> np.ndarray:
    """Reads the value of each pixel.

    Args:
        path: a mask; grey of 1 to 16 bits, a palette, or RGB with equal channels. An alpha channel has no effect.
        colors_are_objects: also read a mask with colours; black is its background.

    Returns:
        `[H, W]` unsigned integers, 0 where there is no object. A 1-bit grey file has the values 0 and 255. Of a mask
        with colours, one number for each colour.

    Raises:
        ColorError: the mask has colours and `colors_are_objects` is false.
        UserError: the file cannot be read or decoded, has samples other than 8 or 16 bits, or shows its objects by the
            alpha channel alone.
    """
    data, name = image_file.read_bytes(path), str(path)
    indices = _palette_indices(data, name)
    if indices is not None:
        return indices
    samples = image_file.decode(data, name=name)
    alpha_at = samples.shape[2] - 1 if samples.shape[2] in (2, 4) else samples.shape[2]
    colors, alpha = samples[..., :alpha_at], samples[..., alpha_at:]
    if alpha.size and alpha.min() != alpha.max() and not colors.any():
        raise UserError(f"the mask {path} is black, with its objects in the alpha channel; save them as grey values")
    if (colors == colors[..., :1]).all():
        return colors[..., 0]
    if not colors_are_objects:
        raise ColorError(f"the mask {path} has colours; give --colors objects if each colour is one object")
    shifts = np.arange(colors.shape[2], dtype=np.uint64) * np.uint64(_SAMPLE_BITS)
    return np.asarray((colors.astype(np.uint64) << shifts).sum(axis=2, dtype=np.uint64))


def object_bitmaps(indices: np.ndarray) -> list[tuple[int, int, Bitmap]]:
    """Crops the mask of each object.

    All parts of one value are one object, and holes are kept.

    Args:
        indices: `[H, W]` unsigned integers, 0 background.

    Returns:
        For each object its value, its number of pixels and its mask, by ascending value; empty without objects.

    Raises:
        UserError: the boxes of the objects together have more pixels than `MOST_DRAWN`, as in a photograph.
    """
    values = np.union1d(np.zeros(1, indices.dtype), indices)  # the background first, also where no pixel has it
    labels = np.searchsorted(values, indices)
    areas = np.bincount(labels.ravel(), minlength=len(values))
    boxes = ndimage.find_objects(labels)
    drawn = sum((rows.stop - rows.start) * (columns.stop - columns.start) for rows, columns in boxes)
    if drawn > MOST_DRAWN:
        raise UserError(
            f"the boxes of {len(boxes)} values have {drawn} pixels together, more than {MOST_DRAWN}; give a mask with "
            "one value for each object"
        )
    return [
        (int(values[label]), int(areas[label]), Bitmap((box[1].start, box[0].start), labels[box] == label))
        for label, box in enumerate(boxes, start=1)
    ]


def check_size(mask: Path, mask_hw: tuple[int, ...], image_hw: Sequence[tuple[int, int]]) -> None:
    """Checks that a mask has the size of its image.

    Args:
        mask: path of the mask, for the error message.
        mask_hw: its height and width in pixels.
        image_hw: those of the image; several where each is right, as `image_file.Sizes` of an image that EXIF turns.

    Raises:
        UserError: it has another size; the message names the first of `image_hw`.
    """
    if mask_hw not in image_hw:
        raise UserError(f"{mask} has size {mask_hw}, its image {image_hw[0]}")


def _palette_indices(data: np.ndarray, name: str) -> np.ndarray | None:
    """Decodes a palette file to its indices; None for another file.

    OpenCV replaces indices by colours, so Pillow decodes them.
    """
    header = image_header.read(data)
    if header is None:
        raise UserError(f"cannot decode the image {name}: it is cut off or in no known format")
    image_header.check(header, data, name=name)
    try:
        with Image.open(io.BytesIO(data.tobytes())) as image:
            return np.array(image) if image.mode == _PALETTE else None
    except Exception as error:  # a parser of untrusted bytes may raise anything
        raise UserError(f"cannot decode the image {name}: {error}") from error
