"""Reads images with instance masks: a folder `images` beside a folder `masks`, in any folder of the data.

    data/images/NAME.jpg, data/masks/NAME.png or NAME_mask.png      each value above 0 is an object
    data/images/NAME.jpg, data/masks/NAME/*.png                     each file is an object
    data/ID/images/NAME.png, data/ID/masks/*.png                    the same for one image: Data Science Bowl 2018

All objects have the class `object`. Folders named after a split, such as `train/images`, are splits.
Source: Penn-Fudan (`PNGImages`, `PedMasks`), the Data Science Bowl 2018; `mrcnn convert masks` reads more layouts.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from mrcnn.data import index_masks
from mrcnn.data.formats.objects import Facts, ObjectList
from mrcnn.data.formats.pictures import Pictures, relative_to, walk
from mrcnn.data.formats.record import Found, Job, split_of
from mrcnn.errors import UserError
from mrcnn.project import listing

WHAT = "images with masks (a folder `images` beside a folder `masks`)"
IMAGE_FOLDERS, MASK_FOLDERS = ("images", "PNGImages"), ("masks", "PedMasks")
TITLE = "object"
BAD_MASK = "its mask cannot be used"
NO_MASK = "it has no mask"
DEPTH = 3  # folders below the data in which the two are looked for


def fits(path: Path) -> bool:
    """Checks whether a folder, or one of its folders, holds both."""
    return path.is_dir() and next(_places(path), None) is not None


def read(job: Job) -> Iterator[Found]:
    """Yields the images of all folders that have masks beside them."""
    job.report.declare([TITLE])
    pictures = Pictures(job, job.path)
    for images, masks in _places(job.path):
        paths = sorted(path for path in images.iterdir() if listing.is_image(path) and not path.name.startswith("."))
        files = [path for path in walk(masks, *index_masks.MASK_EXTENSIONS) if path.parent == masks]
        of_one = len(paths) == 1 and bool(files) and paths[0].stem not in {path.stem for path in files}
        suffix = _suffix([path.stem for path in paths], [path.stem for path in files])
        by_stem = {path.stem: path for path in files}
        for path in paths:
            folder = masks / path.stem
            if folder.is_dir():
                parts: Sequence[Path] | None = walk(folder, *index_masks.MASK_EXTENSIONS)
            else:
                parts = files if of_one and path.stem + suffix not in by_stem else None
            mask = by_stem.get(path.stem) or by_stem.get(path.stem + suffix)
            if parts is None and mask is None:
                job.report.lose_image(NO_MASK, relative_to(path, job.path).as_posix())
                continue
            yield from _image(job, pictures, path, mask=mask, parts=parts)


def _image(
    job: Job, pictures: Pictures, path: Path, *, mask: Path | None, parts: Sequence[Path] | None
) -> Iterator[Found]:
    picture = pictures.open(path)
    if picture is None:
        return
    objects = ObjectList(job, relative_to(path, job.path).as_posix(), picture.size_hw)
    if parts is not None:
        for part in parts:
            _add_file(objects, part, picture.size_hw)
    elif mask is not None:
        try:
            indices = index_masks.read_indices(mask)
            index_masks.check_size(mask, indices.shape, [picture.size_hw])
            found = index_masks.object_bitmaps(indices)
        except index_masks.ColorError:
            fix = "its colours may be objects or classes; `mrcnn convert masks --colors objects` reads them as objects"
            job.report.lose_image(BAD_MASK, f"{mask.name}: {fix}")
            return
        except UserError as error:
            job.report.lose_image(BAD_MASK, str(error))
            return
        for value, _, bitmap in found:
            objects.add_mask(Facts(TITLE, value), bitmap.mask, bitmap.origin_xy)
    split = split_of(relative_to(path, job.path).parts[:-1])
    yield from pictures.found(picture, mask or path, objects=objects, split=split)


def _add_file(objects: ObjectList, path: Path, size_hw: tuple[int, int]) -> None:
    """Adds the object of a file: all its pixels that are not 0."""
    facts = Facts(TITLE, f"in {path.name}")
    try:
        indices = index_masks.read_indices(path, colors_are_objects=True)
        index_masks.check_size(path, indices.shape, [size_hw])
    except UserError as error:
        objects.lose(facts, BAD_MASK, str(error))
        return
    objects.add_mask(facts, indices != 0)


def _places(root: Path, depth: int = DEPTH) -> Iterator[tuple[Path, Path]]:
    """Yields the folders of images and masks, in the order of their paths."""
    try:
        folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return
    by_name = {path.name: path for path in folders}
    images = next((by_name[name] for name in IMAGE_FOLDERS if name in by_name), None)
    masks = next((by_name[name] for name in MASK_FOLDERS if name in by_name), None)
    if images and masks:
        yield images, masks
        return
    for folder in folders if depth > 1 else ():
        yield from _places(folder, depth - 1)


def _suffix(stems: Sequence[str], masks: Sequence[str]) -> str:
    """Finds what most masks have after the name of an image; empty where they have nothing."""
    known = set(stems)
    lengths = (next((size for size in range(len(mask), 0, -1) if mask[:size] in known), 0) for mask in masks)
    found = Counter(mask[size:] for mask, size in zip(masks, lengths, strict=True) if size)
    return found.most_common(1)[0][0] if found else ""
