"""Reads Cityscapes' fine annotations: `gtFine/SPLIT/CITY/*_gtFine_instanceIds.png` and `leftImg8bit/…`.

A value of 1000 or more is an object of class value // 1000. A smaller value that is the number of a class with objects
is a group whose objects were not annotated one by one: a crowd. Other values are no objects. Pixels that Cityscapes
does not evaluate are in the annotation's `extra`, for its metric.
Source: cityscapesScripts, `helpers/labels.py` and `preparation/json2instanceImg.py`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as coco_mask

from mrcnn.data import index_masks
from mrcnn.data.formats.objects import Facts, ObjectList
from mrcnn.data.formats.pictures import Pictures, relative_to, walk
from mrcnn.data.formats.record import Found, Job, split_of
from mrcnn.errors import UserError
from mrcnn.project import listing

WHAT = "Cityscapes (a folder with gtFine and leftImg8bit)"
LABELS, IMAGES, ENDING, IMAGE_ENDING = "gtFine", "leftImg8bit", "_gtFine_instanceIds", "_leftImg8bit"
CLASSES = {
    24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 29: "caravan", 30: "trailer", 31: "train",
    32: "motorcycle", 33: "bicycle",
}  # fmt: skip
CLASS_ID = "cityscapes_id"  # fact of a class: its number in `CLASSES`
VOID = "cityscapes_void"  # fact of an image: its void pixels as COCO's run lengths; left out where there are none
UNEVALUATED = frozenset({29, 30})  # classes with objects that the benchmark leaves out
# values of void pixels: unlabeled, ego vehicle, rectification border, out of roi, static, dynamic, ground, parking,
# rail track, guard rail, bridge, tunnel, polegroup, and groups of caravans and trailers
_VOID_VALUES = (0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30)
PER_CLASS = 1000  # values of a class
BAD_MASK = "its instance ids cannot be used"


def fits(path: Path) -> bool:
    """Checks whether a path is Cityscapes' folder, or its `gtFine`."""
    return path.is_dir() and ((path / LABELS).is_dir() or path.name == LABELS)


def read(job: Job) -> Iterator[Found]:
    """Yields the images of all splits; each city is a data set.

    Raises:
        UserError: there is no file of instance ids.
    """
    labels = job.path if job.path.name == LABELS else job.path / LABELS
    job.report.declare(CLASSES.values())
    job.report.class_facts = {title: {CLASS_ID: number} for number, title in CLASSES.items()}
    pictures = Pictures(job, labels.parent / IMAGES)
    found = [path for path in walk(labels, ".png") if path.stem.endswith(ENDING)]
    if not found:
        raise UserError(f"there is no *{ENDING}.png in {labels}; download gtFine_trainvaltest, which holds them")
    for file in found:
        name = relative_to(file, labels)
        stem = (name.parent / file.stem.removesuffix(ENDING)).as_posix()
        ends = [f"{middle}{end}" for middle in (IMAGE_ENDING, "") for end in sorted(listing.IMAGE_EXTENSIONS)]
        picture = pictures.find(*(stem + end for end in ends), where=name.as_posix())
        if picture is None:
            continue
        objects = ObjectList(job, name.as_posix(), picture.size_hw)
        try:
            indices = index_masks.read_indices(file)
            index_masks.check_size(file, indices.shape, [picture.size_hw])
            _add(objects, indices)
        except UserError as error:
            job.report.lose_image(BAD_MASK, str(error))
            continue
        yield from pictures.found(
            picture, file, objects=objects, split=split_of(name.parts[:-1]), extra=_void_facts(indices)
        )


def _void_facts(indices: np.ndarray) -> dict[str, Any]:
    void = np.isin(indices, _VOID_VALUES)
    if not void.any():
        return {}
    runs = coco_mask.encode(np.asfortranarray(void, np.uint8))
    return {VOID: {"size": list(map(int, runs["size"])), "counts": runs["counts"].decode("ascii")}}


def _add(objects: ObjectList, indices: np.ndarray) -> None:
    values = indices.astype(np.int64)
    kept = np.isin(np.where(values >= PER_CLASS, values // PER_CLASS, values), list(CLASSES))
    for value, _, bitmap in index_masks.object_bitmaps(np.where(kept, values, 0)):
        is_crowd = value < PER_CLASS
        title = CLASSES[value if is_crowd else value // PER_CLASS]
        objects.add_mask(Facts(title, value, is_crowd=is_crowd), bitmap.mask, bitmap.origin_xy)
