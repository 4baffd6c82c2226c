"""Opens the label formats of `mrcnn.data.formats` as a source; the images stay where they are.

The splits of the data are kept. Where it has no validation images, a fifth of the images, drawn by the run's seed so
that each class has its share, validates.
"""

import functools
from collections.abc import Sequence
from dataclasses import replace

from mrcnn.data import stratify
from mrcnn.data.formats import table as formats
from mrcnn.data.formats.record import TEST, TRAIN, VAL, Found, Job, Report
from mrcnn.data.sources.source import AnnotatedImage, DataPaths, Sets, Settings, Source
from mrcnn.errors import UserError
from mrcnn.project.annotation import CROWD_TAG, Annotation
from mrcnn.project.meta import ClassMeta, ProjectMeta, TagMeta

VAL_FRACTION = 0.2  # of the images validate where the data names no others
FIX = "annotate objects there; crowds are ignored"


def open_source(paths: DataPaths, *, kind: str) -> Source:
    """Reads data of a label format, and a second one of the images to validate on.

    Args:
        paths: of the data.
        kind: name of the format in `mrcnn.data.formats.table.READERS`.

    Raises:
        UserError: a path does not exist, or nothing of the data can be used.
    """
    report = Report()
    jobs = _jobs(paths, report)
    items = formats.read(kind, jobs[0])
    if jobs[1:]:
        items = [item._replace(split=TRAIN) for item in items if item.split != TEST]
        items += _renamed([item._replace(split=VAL) for item in formats.read(kind, jobs[1])], items)
    return Source(
        name=paths.data.resolve().name if paths.data.is_dir() else paths.data.stem,
        meta=meta_of(items, report),
        items=tuple(items),
        split=split_items,
        warnings=tuple(report.tally.lines()),
        left_out=report.lost_images,
        kind=f"{kind} data set",
        classes_in=str(paths.data),
        class_facts=report.class_facts,
    )


def opener(kind: str) -> functools.partial[Source]:
    """Makes the function that opens data of one format, for a row of the table of sources."""
    return functools.partial(open_source, kind=kind)


def check_paths(paths: DataPaths) -> None:
    """Checks that the named files and folders exist, without reading them.

    Raises:
        UserError: one does not exist, or `val_images` is given without `val_data`.
    """
    for job in _jobs(paths, Report()):
        formats.check_paths(job)


def meta_of(items: Sequence[Found], report: Report) -> ProjectMeta:
    """Makes the classes of a report, and all tags of images and objects."""
    tags = {tag.name: tag for item in items for tag in item.annotation.all_tags()}
    metas = [TagMeta(name, "none" if tag.value is None else "any_string") for name, tag in tags.items()]
    crowd = [] if CROWD_TAG in tags else [TagMeta(CROWD_TAG)]
    return ProjectMeta(tuple(map(ClassMeta, report.classes)), (*metas, *crowd), {"projectType": "images"})


def split_items(items: Sequence[AnnotatedImage], annotations: Sequence[Annotation], settings: Settings) -> Sets:
    """Chooses the images of each set by the splits of the data, or draws those to validate on.

    Raises:
        UserError: there is only one image.
    """
    splits = [getattr(item, "split", None) for item in items]
    if TRAIN in splits and VAL in splits:
        train, val = (tuple(index for index, split in enumerate(splits) if split == name) for name in (TRAIN, VAL))
        rest = len(items) - len(train) - len(val)
        end = f": the splits of the data, {rest} images of others" if rest else ": the splits of the data"
    else:
        free = [index for index, split in enumerate(splits) if split != TEST]
        if len(free) < 2:
            raise UserError(
                f"{items[0].ann_path} has one image, which cannot both train and validate; name other images by "
                "--val-data"
            )
        classes = [[label.class_title for label in annotations[index].labels] for index in free]
        drawn = stratify.draw(classes, fraction=VAL_FRACTION, seed=settings.seed)
        val = tuple(free[index] for index in sorted(drawn))
        train = tuple(index for index in free if index not in val)
        end = f": drawn by `seed` {settings.seed} with each class's share; --val-data names others"
    names = (f"the {len(train)} training images", f"the {len(val)} validation images")
    return Sets(train, val, names, FIX, end)


def _jobs(paths: DataPaths, report: Report) -> list[Job]:
    if paths.val_images and not paths.val_data:
        raise UserError(f"--val-images {paths.val_images} has no effect without --val-data; give that too")
    first = Job(paths.data, paths.images, paths.boxes_as_masks, report)
    if paths.val_data is None:
        return [first]
    return [first, replace(first, path=paths.val_data, images=paths.val_images or paths.images)]


def _renamed(items: list[Found], others: Sequence[Found]) -> list[Found]:
    """Renames data sets so that no image has the names of one of the others."""
    taken = {(item.dataset, item.name) for item in others}
    if not any((item.dataset, item.name) in taken for item in items):
        return items
    return [item._replace(dataset=f"{item.dataset}_{VAL}") for item in items]
