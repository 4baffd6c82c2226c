"""Reads a folder with one binary mask for each object of an image.

All pixels of a file that are not 0 are one object, also when it has holes or several parts. Objects may overlap.
Source: the `masks` folders of the Data Science Bowl 2018.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mrcnn.convert import pairs
from mrcnn.data import index_masks
from mrcnn.data.tally import Tally
from mrcnn.errors import UserError
from mrcnn.project import listing
from mrcnn.project.geometry import Bitmap

BROKEN = "mask left out, it cannot be used"
OTHER_SIZE = "mask left out, another size than its image (height, width)"
EMPTY = "mask left out, it is empty"
IGNORED = "item ignored in the folders of masks"


def read_folder(
    folder: Path, image_hw: Sequence[tuple[int, int]], *, tally: Tally, void: int | None = None
) -> tuple[tuple[int, int], list[tuple[str, int, Bitmap]]]:
    """Reads the objects of an image; masks that cannot be used are left out.

    Args:
        folder: has one mask for each object.
        image_hw: height and width of the image; several where each is right. The first mask with one of them decides.
        tally: counts what is left out, by reason and file.
        void: value of pixels that belong to no object, besides 0; None for none.

    Returns:
        Height and width of the masks, the first of `image_hw` without masks. For each object the name of its file with
        the folder's, its number of pixels and its mask, by file name; empty without objects.

    Raises:
        UserError: the folder cannot be read.
    """
    paths, folders = pairs.list_folder(folder)
    for name in [path.name for path in paths if not listing.is_image(path)] + folders:
        tally.add(IGNORED, f"{folder.name}/{name}")
    sizes, objects = list(image_hw), []
    for path in pairs.keep_masks(paths, tally, prefix=f"{folder.name}/"):
        mask = _read(path, sizes, tally=tally, void=void)
        if mask is None:
            continue
        sizes = [(mask.shape[0], mask.shape[1])]
        name = f"{folder.name}/{path.name}"
        if mask.any():
            objects.append((name, int(mask.sum()), Bitmap.from_canvas(mask)))
        else:
            tally.add(EMPTY, name)
    return sizes[0], objects


def _read(path: Path, sizes: Sequence[tuple[int, int]], *, tally: Tally, void: int | None) -> np.ndarray | None:
    """Reads a mask, `[height, width]` bool; None where it cannot be used, which is counted."""
    reason = BROKEN
    try:
        values = index_masks.read_indices(path, colors_are_objects=True)  # a mask of any one colour is binary, too
        reason = OTHER_SIZE
        index_masks.check_size(path, values.shape, sizes)
    except UserError as error:
        tally.add(reason, str(error))
        return None
    mask = values != 0
    return mask if void is None else mask & (values != void)
