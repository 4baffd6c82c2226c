"""The table of the label formats; finds the format of a path and reads all its images.

A further format is one line of `READERS`. Where several fit a path, the first one is used.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from mrcnn.data.formats import (
    cityscapes,
    coco_panoptic,
    cvat,
    label_studio,
    labelbox,
    labelme,
    png_masks,
    via,
    voc,
    yolo,
)
from mrcnn.data.formats.record import Found, Job
from mrcnn.errors import UserError

TWICE = "it is in the data twice; the first one is used"


class Reader(NamedTuple):
    """One label format.

    Attributes:
        what: how a user recognizes it, for messages.
        fits: checks whether a path has this format, by names and by the start of few files.
        read: yields the annotated images and reports what is left out.
    """

    what: str
    fits: Callable[[Path], bool]
    read: Callable[[Job], Iterator[Found]]


READERS: dict[str, Reader] = {
    "labelme": Reader(labelme.WHAT, labelme.fits, labelme.read),
    "yolo": Reader(yolo.WHAT, yolo.fits, yolo.read),
    "via": Reader(via.WHAT, via.fits, via.read),
    "cvat": Reader(cvat.WHAT, cvat.fits, cvat.read),
    "label_studio": Reader(label_studio.WHAT, label_studio.fits, label_studio.read),
    "labelbox": Reader(labelbox.WHAT, labelbox.fits, labelbox.read),
    "coco_panoptic": Reader(coco_panoptic.WHAT, coco_panoptic.fits, coco_panoptic.read),
    "cityscapes": Reader(cityscapes.WHAT, cityscapes.fits, cityscapes.read),
    "voc": Reader(voc.WHAT, voc.fits, voc.read),
    "png_masks": Reader(png_masks.WHAT, png_masks.fits, png_masks.read),
}


def guess(path: Path) -> str | None:
    """Finds the name of the format that fits a path; None where none does."""
    return next((name for name, reader in READERS.items() if reader.fits(path)), None)


def read(kind: str, job: Job) -> list[Found]:
    """Reads all images of data.

    Args:
        kind: a name of `READERS`.
        job: what is read; its report gets what is left out.

    Returns:
        In the order of the format; each image once.

    Raises:
        UserError: the path or the folder of images does not exist, or no image or no object can be used.
    """
    check_paths(job)
    found: dict[Path, Found] = {}
    taken: set[tuple[str, str]] = set()
    for item in READERS[kind].read(job):
        if item.image_path in found:
            job.report.lose_image(TWICE, str(item.ann_path))
            job.report.kept.subtract(label.class_title for label in item.annotation.labels)
        else:
            found[item.image_path] = item = _renamed(item, taken)
            taken.add((item.dataset, item.name))
    reasons = "; ".join(job.report.tally.lines())
    if not found:
        raise UserError(f"no image of {job.path} can be used: {reasons or 'it lists none'}")
    if job.report.lost and not any(item.annotation.labels for item in found.values()):
        raise UserError(f"nothing can be learnt from {job.path}: all its objects are left out: {reasons}")
    return list(found.values())


def _renamed(item: Found, taken: set[tuple[str, str]]) -> Found:
    """Renames the data set where folders such as `a/b` and `a_b` would have the same name and image."""
    dataset, number = item.dataset, 1
    while (dataset, item.name) in taken:
        number += 1
        dataset = f"{item.dataset}_{number}"
    return item._replace(dataset=dataset)


def check_paths(job: Job) -> None:
    """Checks that the named files and folders exist, without reading them.

    Raises:
        UserError: one does not exist.
    """
    if not job.path.exists():
        raise UserError(f"the data {job.path} does not exist")
    if job.images is not None and not job.images.is_dir():
        raise UserError(f"the images' folder {job.images} does not exist; name the folder of the images of {job.path}")
