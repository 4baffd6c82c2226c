"""Sums up what is unusual in labelled data, one sentence each with the section that shows it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mrcnn.errors import counted
from mrcnn.project.listing import few
from mrcnn.report import statistics
from mrcnn.report.duplicates import Pair
from mrcnn.report.records import BOTH, TRAIN, VAL, DataFacts
from mrcnn.report.statistics import CELL, ClassCounts, Fit
from mrcnn.report.suspicious import DOUBLE, Suspect

ERROR, WARNING, NOTE = "error", "warning", "note"
IMBALANCED = 20.0  # times as many objects of the most frequent class as of the rarest
FEW = 10  # objects of a class in the training images
SMALL_SHARE = 0.02


class Finding(NamedTuple):
    """One sentence about the data.

    Attributes:
        level: `ERROR`, `WARNING` or `NOTE`.
        text: the sentence.
        section: id of the section that shows more.
    """

    level: str
    text: str
    section: str


class Review(NamedTuple):
    """What was computed of the records.

    Attributes:
        data: the records.
        fit: the model input at which objects are judged.
        suspects: from `suspicious.find`.
        pairs: of images that look the same.
        nms: `model.detection_nms_iou_threshold`.
        most_found: `model.detections_per_image`.
    """

    data: DataFacts
    fit: Fit
    suspects: tuple[Suspect, ...]
    pairs: tuple[Pair, ...]
    nms: float = 0.3
    most_found: int = 100


def find(review: Review) -> list[Finding]:
    """Lists the findings, errors first."""
    found = [*_images(review), *_classes(review.data), *_objects(review)]
    return sorted(found, key=lambda one: (ERROR, WARNING, NOTE).index(one.level))


def across(pairs: Sequence[Pair], data: DataFacts) -> tuple[list[Pair], list[Pair]]:
    """Divides pairs of images that look the same into those of two splits, and all others.

    Images of no split count as neither: nothing is measured on them.
    """
    found: tuple[list[Pair], list[Pair]] = ([], [])
    for pair in pairs:
        splits = {data.images[pair.first].split, data.images[pair.second].split}
        found[0 if splits & {TRAIN, BOTH} and splits & {VAL, BOTH} else 1].append(pair)
    return found


def doubles(data: DataFacts) -> list[tuple[int, int, int]]:
    """Lists objects whose masks cover the same pixels: index of the image and of both objects, each pair once."""
    found = []
    for index, image in enumerate(data.images):
        pairs = {
            tuple(sorted((place, item.overlaps_with)))
            for place, item in enumerate(image.objects)
            if item.overlap >= DOUBLE
        }
        found += [(index, first, second) for first, second in sorted(pairs)]
    return found


def _images(review: Review) -> Iterator[Finding]:
    data = review.data
    if data.skipped:
        yield Finding(ERROR, f"{counted(len(data.skipped), 'image')} cannot be used.", "images")
    for line in data.remarks:
        yield Finding(WARNING, line, "images")
    for split, word in ((TRAIN, "training"), (VAL, "validation")):
        if data.images and not any(image.split in (split, BOTH) for image in data.images):
            yield Finding(ERROR, f"There is no {word} image.", "classes")
    both = sum(image.split == BOTH for image in data.images)
    if both:
        yield Finding(WARNING, f"{counted(both, 'image')} in both sets: they show little about new images.", "images")
    empty = sum(not image.objects for image in data.images)
    if empty:
        share = empty / len(data.images)
        level = WARNING if share > 0.2 else NOTE
        yield Finding(level, f"{counted(empty, 'image')} ({share:.0%}) without an object: all background.", "images")
    unturned = sum(image.unturned for image in data.images)
    if unturned:
        yield Finding(
            WARNING,
            f"{counted(unturned, 'image')} labelled unturned although EXIF turns them; training uses them unturned, "
            "but other programs show them turned.",
            "images",
        )
    leaks, alike = across(review.pairs, data)
    if leaks:
        text = f"{counted(len(leaks), 'pair')} of images of both sets look the same: validation is too optimistic."
        yield Finding(ERROR, text, "duplicates")
    if alike:
        yield Finding(NOTE, f"{counted(len(alike), 'pair')} of images within a set look the same.", "duplicates")


def _classes(data: DataFacts) -> Iterator[Finding]:
    counts = statistics.class_counts(data)
    ratio = statistics.imbalance(counts)
    if ratio >= IMBALANCED:
        text = (
            f"The most frequent class has {ratio:,.0f} times the objects of the rarest; `sampling` repeats rare ones."
        )
        yield Finding(WARNING, text, "classes")
    kinds: dict[tuple[str, str], list[str]] = {}
    for row in counts:
        for kind in _of_class(row):
            kinds.setdefault(kind, []).append(row.title)
    for (level, text), titles in kinds.items():
        named = f"class {titles[0]}" if len(titles) == 1 else f"{len(titles)} classes ({few(titles)})"
        yield Finding(level, text.format(named), "classes")


def _of_class(row: ClassCounts) -> Iterator[tuple[str, str]]:
    """Lists the findings about one class, each its level and a sentence with a place for the classes' names."""
    train, val = row.objects[TRAIN] + row.objects[BOTH], row.objects[VAL] + row.objects[BOTH]
    if not row.objects.total():
        yield WARNING, "No object of {}."
    elif val and not train:
        yield ERROR, "No object of {} in the training images."
    elif train and not val:
        yield WARNING, "No object of {} in the validation images: nothing is measured."
    if 0 < train < FEW:
        yield WARNING, f"Fewer than {FEW} objects to learn from of {{}}."


def _objects(review: Review) -> Iterator[Finding]:
    data, fit = review.data, review.fit
    small = statistics.small_objects(data, fit)
    total = sum(row.total for row in small)
    side = f"{fit.max_dim} pixels"
    if vanished := sum(row.vanished for row in small):
        yield Finding(ERROR, f"{counted(vanished, 'object')} under half a pixel at an input of {side} vanish.", "sizes")
    cell = sum(row.cell for row in small)
    if total and cell:
        level = WARNING if cell > SMALL_SHARE * total else NOTE
        text = (
            f"{counted(cell, 'object')} ({cell / total:.1%}) under {CELL} pixels at an input of {side}: hard to find."
        )
        yield Finding(level, text, "sizes")
    if full := [count for count in statistics.objects_per_image(data) if count > review.most_found]:
        text = (
            f"{counted(len(full), 'image')} with more objects than can be found in one: up to {max(full)}, but "
            f"`detections_per_image` is {review.most_found}."
        )
        yield Finding(WARNING, text, "per-image")
    if pairs := doubles(data):
        yield Finding(WARNING, f"{counted(len(pairs), 'pair')} of objects cover the same pixels.", "overlaps")
    crowded = sum(item.crowding > review.nms for _, item in statistics.learnt(data))
    if crowded:
        text = (
            f"{counted(crowded, 'object')} with a box that overlaps another of the class by more than "
            f"`detection_nms_iou_threshold` {review.nms:g}: of such neighbours only one is detected."
        )
        yield Finding(NOTE, text, "overlaps")
    left_out = sum(image.left_out for image in data.images)
    if left_out:
        text = f"{counted(left_out, 'object')} left out: outside the image, or of a shape that cannot be drawn."
        yield Finding(WARNING, text, "images")
    if suspects := sum(bool(one.reasons) for one in review.suspects):
        text = f"The gallery begins with unusual objects: {suspects:,} of all classes."
        yield Finding(NOTE, text, "gallery")
