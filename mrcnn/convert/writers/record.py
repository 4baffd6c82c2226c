"""Defines what a writer of a label format receives, and how it reports what the format cannot hold.

A format is one file of this package with a subclass of `Writer`, and one line of `table.WRITERS`.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from mrcnn.data.formats.record import Report
from mrcnn.errors import counted
from mrcnn.project.annotation import CROWD_TAG, Tag
from mrcnn.project.listing import few

SHOWN = 20  # classes in a message


class Instance(NamedTuple):
    """One object of an image.

    Attributes:
        title: of its class.
        mask: `[h, w]` bool, its pixels in the upright image; each border row and column has a true pixel.
        origin: row and column of the mask's first pixel in the image.
        is_crowd: a group of several objects.
        score: of a detection; None for an annotated object.
        tags: its other tags, no name twice.
        description: a text, empty without one.
        source_id: its number or text in the data; None without one.
        fields: its extra fields as keys of a COCO annotation, such as `keypoints`.
    """

    title: str
    mask: np.ndarray
    origin: tuple[int, int] = (0, 0)
    is_crowd: bool = False
    score: float | None = None
    tags: tuple[Tag, ...] = ()
    description: str = ""
    source_id: int | str | None = None
    fields: Mapping[str, Any] = {}

    @property
    def drawn(self) -> tuple[np.ndarray, tuple[int, int]]:
        """The mask and its origin."""
        return self.mask, self.origin


class Picture(NamedTuple):
    """One image with its objects.

    Attributes:
        name: path of the image inside the folder of its split, with "/".
        split: one of `mrcnn.data.formats.record.SPLIT_NAMES`'s values; None for an image of no split.
        size_hw: height and width of the upright image, pixels.
        instances: its objects.
        tags: its other tags, no name twice.
    """

    name: str
    split: str | None
    size_hw: tuple[int, int]
    instances: tuple[Instance, ...] = ()
    tags: tuple[Tag, ...] = ()


def attributes_of(tags: Iterable[Tag], *, is_crowd: bool = False) -> dict[str, Any]:
    """Converts tags to values by name, true for a tag without a value.

    Args:
        tags: of an object or image, no name twice.
        is_crowd: add `iscrowd`, for a format where a crowd is an attribute.
    """
    crowd = {CROWD_TAG: True} if is_crowd else {}
    return {**crowd, **{tag.name: True if tag.value is None else tag.value for tag in tags}}


class Losses(Report):
    """Counts what is written, left out, and written without a part of it, by reason and by class."""

    def __init__(self) -> None:
        """Starts with nothing."""
        super().__init__()
        self._reduced: dict[str, Counter[str]] = {}

    def reduce(self, what: str, title: str) -> None:
        """Counts an object or image that is written, but not whole.

        Args:
            what: text after the count in a message, such as "object with a score, which is left out".
            title: of the object's class, or the name of an image's tag.
        """
        self._reduced.setdefault(what, Counter())[title] += 1

    def lines(self) -> list[str]:
        """Writes one line for each reason; those of reduced objects count each class."""
        lines = self.tally.lines()
        for what, titles in self._reduced.items():
            noun, rest = what.split(" ", 1)
            each = few([f"{title} {count}" for title, count in titles.most_common()], SHOWN)
            lines.append(f"{counted(titles.total(), noun)} {rest}: {each}")
        return lines


@dataclass(frozen=True)
class Setup:
    """What a writer needs before the first image.

    Attributes:
        folder: an existing, empty folder.
        name: of the data.
        categories: by title of each class, in order, its further keys in COCO JSON.
        colors: `#RRGGBB` by title.
        losses: of what the format cannot hold.
    """

    folder: Path
    name: str = "data"
    categories: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    colors: Mapping[str, str] = field(default_factory=dict)
    losses: Losses = field(default_factory=Losses)

    @property
    def titles(self) -> tuple[str, ...]:
        """The titles of the classes in order."""
        return tuple(self.categories)


class Writer(ABC):
    """Writes annotated images in one format, an image at a time.

    Attributes:
        HOLDS: names of `PARTS` that the format has a place for.
        setup: of the data.
    """

    HOLDS: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, setup: Setup):
        """Stores the setup."""
        self.setup = setup

    @abstractmethod
    def image_path(self, picture: Picture) -> str:
        """Chooses the place of an image file, relative to the folder, with "/"."""

    @abstractmethod
    def add(self, picture: Picture) -> None:
        """Writes the annotation of an image, whose file is already in its place.

        What the format cannot hold is counted by `kept`.
        """

    def finish(self) -> Sequence[str]:
        """Writes what depends on all images.

        Returns:
            Remarks for the user, one line each.
        """
        return ()

    def kept(self, picture: Picture) -> list[Instance]:
        """Lists the objects that the format can hold, and counts what is lost of the picture."""
        losses = self.setup.losses
        if "image tags" not in self.HOLDS:
            for tag in picture.tags:
                losses.reduce(TAGGED, tag.name)
        found = []
        for number, item in enumerate(picture.instances):
            if item.is_crowd and "crowds" not in self.HOLDS:
                losses.lose(NO_CROWDS, f"{picture.name} object {number}", title=item.title)
                continue
            for part, (what, is_there) in PARTS.items():
                if part not in self.HOLDS and is_there(item):
                    losses.reduce(what, item.title)
            losses.kept[item.title] += 1
            found.append(item)
        return found


NO_PLACE = "which the format has no place for"
NO_CROWDS = f"it is a crowd, {NO_PLACE}"
TAGGED = f"image with a tag, {NO_PLACE}"
PARTS: dict[str, tuple[str, Callable[[Instance], bool]]] = {
    "score": (f"object with a score, {NO_PLACE}", lambda item: item.score is not None),
    "tags": (f"object with tags, {NO_PLACE}", lambda item: bool(item.tags)),
    "description": (f"object with a description, {NO_PLACE}", lambda item: bool(item.description)),
    "id": (f"object with an id, {NO_PLACE}", lambda item: item.source_id is not None),
    "fields": (f"object with extra fields such as keypoints, {NO_PLACE}", lambda item: bool(item.fields)),
}
