"""Collects the objects of one image: outlines, masks and boxes as pixels, in COCO's convention.

An outline covers the pixels that COCO's own mask code gives it, for every format. What cannot be drawn is left out and
reported.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mrcnn.data.coco import masks
from mrcnn.data.coco.objects import MOST_DRAWN, TOO_MUCH, RunLengths
from mrcnn.data.formats.record import Job
from mrcnn.errors import UserError
from mrcnn.project.annotation import CROWD_TAG, INSTANCE_KEY, Label, Tag
from mrcnn.project.meta import check_encodable

BOX = "a box without a mask (--boxes-as-masks takes the whole box)"
NO_CLASS = "no class"
NO_AREA = "its shape has no area"
UNKNOWN_SHAPE = "its shape is not known"
SOURCE_ID = "sourceId"  # of an object's JSON: its id in the data that it was read from
ROUND_POINTS = 128  # of an ellipse's outline; at a radius of 1000 pixels it is 0.3 pixels off


@dataclass(frozen=True)
class Facts:
    """An object without its geometry.

    Attributes:
        title: of its class; a value that is no text, or an empty text, means that it has none.
        number: names the object in its file, for messages.
        attributes: values by name, which become tags; true becomes a tag without a value, false and None no tag.
        group: objects of one class with the same group are parts of one object; None for an object of its own.
        is_crowd: a group of objects, which training ignores.
        extra: further keys of the object's JSON.
    """

    title: Any
    number: int | str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    group: str | None = None
    is_crowd: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


class ObjectList:
    """The objects of one image, in the order in which they are added."""

    def __init__(self, job: Job, file: str, size_hw: tuple[int, int]):
        """Starts without objects.

        Args:
            job: where losses are reported, and whether boxes become masks.
            file: name of the file with the objects, for messages.
            size_hw: height and width of the image, pixels.
        """
        self.lost = 0
        self._job, self._file, self._size_hw = job, file, size_hw
        self._labels: list[Label] = []
        self._drawn = 0

    @property
    def labels(self) -> tuple[Label, ...]:
        """The objects so far."""
        return tuple(self._labels)

    def add_outline(self, facts: Facts, rings: Sequence[Iterable[float]]) -> None:
        """Adds an object by the outlines of its parts.

        Args:
            facts: of the object.
            rings: x1, y1, x2, y2, … of each part, pixels of the image.
        """
        height, width = self._size_hw
        try:
            runs, notes = masks.read_runs([list(ring) for ring in rings], height=height, width=width)
        except masks.Unusable as error:
            self.lose(facts, error.reason, error.detail)
            return
        for note in notes:
            self._job.report.tally.add(note, self._where(facts))
        self._add(facts, runs)

    def add_mask(self, facts: Facts, mask: np.ndarray, origin_xy: tuple[int, int] = (0, 0)) -> None:
        """Adds an object by its pixels.

        Args:
            facts: of the object.
            mask: `[h, w]` bool; what lies outside the image is cut off.
            origin_xy: column and row of the mask's first pixel in the image.
        """
        runs = mask_runs(mask, origin_xy, size_hw=self._size_hw)
        if len(runs[0]):
            self._add(facts, runs)
        else:
            self.lose(facts, masks.NO_PIXEL)

    def add_box(self, facts: Facts, ring: Iterable[float]) -> None:
        """Adds an object that has only a box, where boxes become masks.

        Args:
            facts: of the object.
            ring: x1, y1, … of its corners in order, pixels of the image.
        """
        if self._job.boxes_as_masks:
            self.add_outline(facts, [ring])
        else:
            self.lose(facts, BOX)

    def lose(self, facts: Facts, reason: str, detail: str = "") -> None:
        """Counts an object as left out."""
        self.lost += 1
        where = self._where(facts)
        title = facts.title if _is_title(facts.title) else None
        self._job.report.lose(reason, f"{where} ({detail})" if detail else where, title=title)

    def note(self, facts: Facts, reason: str, detail: str) -> None:
        """Counts an object that is read in an unusual way."""
        self._job.report.tally.add(reason, f"{self._where(facts)} ({detail})")

    def _add(self, facts: Facts, runs: masks.Runs) -> None:
        geometry = RunLengths(runs, height=self._size_hw[0])
        try:
            label = _label(facts, geometry)
        except UserError as error:
            self.lose(facts, NO_CLASS, str(error))
            return
        if self._drawn > MOST_DRAWN:
            self.lose(facts, TOO_MUCH)
            return
        y1, x1, y2, x2 = geometry.box
        self._drawn += (y2 - y1) * (x2 - x1)
        self._labels.append(label)

    def _where(self, facts: Facts) -> str:
        return f"{self._file} object {facts.number}"


def mask_runs(mask: np.ndarray, origin_xy: tuple[int, int], *, size_hw: tuple[int, int]) -> masks.Runs:
    """Computes the runs of a mask's pixels inside the image, column by column.

    Args:
        mask: `[h, w]` bool.
        origin_xy: column and row of its first pixel in the image.
        size_hw: height and width of the image.

    Returns:
        As `mrcnn.data.coco.masks.Runs`; empty where no pixel is inside.
    """
    (x, y), (height, width) = origin_xy, size_hw
    inside = mask[max(0, -y) : max(0, height - y), max(0, -x) : max(0, width - x)]
    x, y = max(0, x), max(0, y)
    columns = np.pad(inside.astype(np.int8).T, ((0, 0), (1, 1)))
    change = np.diff(columns, axis=1)
    starts, ends = (np.nonzero(change == sign) for sign in (1, -1))
    first, last = ((x + column) * height + y + row for column, row in (starts, ends))
    return first, last


def box_ring(low_xy: Sequence[float], high_xy: Sequence[float]) -> list[float]:
    """Lists the corners of a box in order: x1, y1, x2, y1, x2, y2, x1, y2."""
    (x1, y1), (x2, y2) = low_xy, high_xy
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def turned_box(x: float, y: float, *, width: float, height: float, degrees: float, about_centre: bool) -> list[float]:
    """Computes the corners of a turned box.

    Args:
        x: left edge before the turn, pixels.
        y: top edge before the turn, pixels.
        width: pixels.
        height: pixels.
        degrees: clockwise as seen in the image.
        about_centre: whether the turn is about the box's centre; else about its corner (x, y).
    """
    pivot = np.array([x + width / 2, y + height / 2]) if about_centre else np.array([x, y])
    corners = np.array(box_ring((x, y), (x + width, y + height))).reshape(-1, 2)
    return ((corners - pivot) @ _turn(degrees) + pivot).ravel().tolist()


def ellipse_ring(x: float, y: float, *, radius_x: float, radius_y: float, degrees: float = 0) -> list[float]:
    """Computes the outline of an ellipse, `ROUND_POINTS` points.

    Args:
        x: of the centre, pixels.
        y: of the centre, pixels.
        radius_x: pixels.
        radius_y: pixels.
        degrees: turn about the centre, clockwise as seen in the image.
    """
    angles = np.arange(ROUND_POINTS) * (2 * math.pi / ROUND_POINTS)
    points = np.stack((radius_x * np.cos(angles), radius_y * np.sin(angles)), axis=1)
    return (points @ _turn(degrees) + (x, y)).ravel().tolist()


def tags_of(attributes: Mapping[str, Any]) -> tuple[Tag, ...]:
    """Converts attributes to tags; values are texts, since a tag has values of one kind."""
    kept = {name: value for name, value in attributes.items() if name and not _is_unset(value)}
    return tuple(Tag(name, None if value is True else str(value)) for name, value in kept.items())


def _is_unset(value: Any) -> bool:
    return value is None or value is False or value in ("", [], {})


def _label(facts: Facts, geometry: RunLengths) -> Label:
    if not _is_title(facts.title):
        raise UserError(f"it is {facts.title!r:.80}")
    check_encodable(facts.title, what="class title")
    crowd = (Tag(CROWD_TAG),) if facts.is_crowd else ()
    group = {} if facts.group is None else {INSTANCE_KEY: facts.group}
    return Label(facts.title, geometry, (*crowd, *tags_of(facts.attributes)), {**facts.extra, **group})


def _is_title(title: Any) -> bool:
    return isinstance(title, str) and bool(title.strip())


def _turn(degrees: float) -> np.ndarray:
    """Makes the matrix that turns row vectors clockwise as seen in the image, where y points down."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([(cosine, sine), (-sine, cosine)])
