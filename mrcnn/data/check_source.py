"""Checks data that is no project, in any format that training reads: counts by class and set, and what is left out.

Every image is decoded and every annotation read. The problems are those that training reports, and its refusal.
"""

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mrcnn.config.model import MASK_POINTS
from mrcnn.data.sources import samples, table
from mrcnn.data.sources.source import AnnotatedImage, DataPaths, Settings
from mrcnn.errors import UserError, counted
from mrcnn.events import EventLog
from mrcnn.fields.table import FIELDS
from mrcnn.images import image_file
from mrcnn.project.annotation import CROWD_TAG, Annotation

SETS = ("train", "val", "neither")


@dataclass
class SourceReport:
    """The contents and problems of data.

    Attributes:
        kind: the format in messages.
        path: of the data.
        titles: of the classes, in their order.
        images: images by set of `SETS`.
        objects: objects by (class, set).
        crowds: objects that training ignores because they are crowds.
        warnings: what is left out or read unusually, one line each.
        errors: images that cannot be used, and why training refuses the data, one line each.
    """

    kind: str
    path: Path
    titles: tuple[str, ...]
    images: Counter[str] = field(default_factory=Counter)
    objects: Counter[tuple[str, str]] = field(default_factory=Counter)
    crowds: int = 0
    warnings: tuple[str, ...] = ()
    errors: list[str] = field(default_factory=list)


def check_source(
    paths: DataPaths,
    settings: Settings,
    *,
    by_points: bool = True,
    most_found: int | None = None,
    log: EventLog | None = None,
    decoded: Container[Path] = (),
) -> SourceReport:
    """Reads data as training does and counts what is there.

    Args:
        paths: of the data.
        settings: of the training.
        by_points: whether masks are learnt from labelled points; without, a box with points has no mask.
        most_found: objects that the model can find in an image; an image with more is a warning. None for no limit.
        log: where progress is shown; None for nowhere.
        decoded: paths of images that were decoded before, which are not decoded again.

    Raises:
        UserError: the data has no known format, or nothing of it can be used.
    """
    source = table.open_source(paths, [name for name in FIELDS if by_points or name != MASK_POINTS])
    titles = tuple(item.title for item in source.meta.classes)
    report = SourceReport(source.kind, paths.data, titles, warnings=source.warnings)
    items, annotations = [], []
    for item in source.items if log is None else log.track(source.items, "check"):
        try:
            annotation = item.read_annotation(source.meta)
            path = item.image_path
            image_file.verify(image_file.read_bytes(path), name=str(path), was_decoded=path in decoded)
        except UserError as error:
            report.errors.append(str(error))
        else:
            items.append(item)
            annotations.append(annotation)
    try:
        samples.load_samples(source, settings)
        sets = source.split(items, annotations, settings) if items else None
    except UserError as error:
        report.errors.append(f"training refuses this data: {error}")
        sets = None
    chosen = (sets.train, sets.val) if sets else ((), ())
    members = {index: name for name, part in zip(SETS, chosen, strict=False) for index in part}
    report.warnings += _full(items, annotations, most_found)
    for index, annotation in enumerate(annotations):
        name = members.get(index, SETS[-1])
        report.images[name] += 1
        report.objects.update((label.class_title, name) for label in annotation.labels)
        report.crowds += sum(label.has_tag(CROWD_TAG) for label in annotation.labels)
    return report


def format_report(report: SourceReport) -> str:
    """Writes the report as text: a table of images and objects by class and set, then the problems."""
    rows = [("", *SETS, "all"), ("images", *_row([report.images[name] for name in SETS]))]
    rows += [(title, *_row([report.objects[title, name] for name in SETS])) for title in report.titles]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [f"{report.kind} in {report.path}"]
    for row in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([f"{row[0]:<{widths[0]}}", *cells]))
    if report.crowds:
        lines.append(f"{counted(report.crowds, 'object')} tagged iscrowd, ignored by training")
    lines.append(f"{counted(len(report.errors), 'error')}, {counted(len(report.warnings), 'warning')}")
    lines += [f"error: {line}" for line in report.errors]
    return "\n".join([*lines, *(f"warning: {line}" for line in report.warnings)])


def _full(
    items: Sequence[AnnotatedImage], annotations: Sequence[Annotation], most_found: int | None
) -> tuple[str, ...]:
    """Writes a line about the images with too many objects; crowds and parts of objects do not count."""
    counts = [sum(not figures[0].has_tag(CROWD_TAG) for figures in item.objects()) for item in annotations]
    full = [(count, item.name) for count, item in zip(counts, items, strict=True) if count > (most_found or count)]
    if not full:
        return ()
    most, name = max(full)
    return (
        f"{counted(len(full), 'image')} with more than the {most_found} objects that can be found in one, {name} with "
        f"{most}; raise `model.detections_per_image`",
    )


def _row(counts: list[int]) -> list[str]:
    return [str(count) for count in (*counts, sum(counts))]
