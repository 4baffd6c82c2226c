"""Defines the records that every reader of a label format yields, and its arguments.

A format is one file of this package with the functions `fits` and `read`, and one line of `table.READERS`. `read`
yields an image at a time, so that a reader holds no pixels of other images.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mrcnn.data.tally import Tally
from mrcnn.project.annotation import Annotation
from mrcnn.project.meta import ProjectMeta

TRAIN, VAL, TEST = "train", "val", "test"
SPLIT_NAMES = {"train": TRAIN, "training": TRAIN, "val": VAL, "valid": VAL, "validation": VAL, "test": TEST}


class Found(NamedTuple):
    """One annotated image; a `data.sources.source.AnnotatedImage`.

    Attributes:
        dataset: its folder, as a plain name; with `name` unique in the data.
        name: of the image file.
        image_path: of the image file.
        ann_path: of the file with its annotation.
        annotation: its size, objects and tags. A crowd has the tag `iscrowd`, an attribute of an object is a tag, and
            parts of one object have the same `instance`.
        split: `TRAIN`, `VAL` or `TEST`; None where the data has no splits.
    """

    dataset: str
    name: str
    image_path: Path
    ann_path: Path
    annotation: Annotation
    split: str | None = None

    def read_annotation(self, meta: ProjectMeta) -> Annotation:
        """Returns the annotation."""
        return self.annotation


class Report:
    """Counts what a reader kept and left out, by reason and by class."""

    def __init__(self) -> None:
        """Starts with nothing."""
        self.tally = Tally()
        self.kept: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.lost_images = 0
        self.class_facts: Mapping[str, Mapping[str, Any]] = {}  # further values of classes by title, for metrics
        self._declared: dict[str, None] = {}

    def declare(self, titles: Iterable[str]) -> None:
        """Adds classes that the data lists, also those without objects."""
        self._declared.update(dict.fromkeys(titles))

    def lose(self, reason: str, where: str, *, title: str | None = None) -> None:
        """Counts an object left out.

        Args:
            reason: the same for all objects with this problem.
            where: file and number of the object, perhaps with a detail.
            title: of its class; None where it has none.
        """
        self.tally.add(f"object left out, {reason}", where)
        self.lost["" if title is None else title] += 1

    def lose_image(self, reason: str, where: str) -> None:
        """Counts an image left out; arguments as for `lose`."""
        self.tally.add(f"image left out, {reason}", where)
        self.lost_images += 1

    @property
    def classes(self) -> tuple[str, ...]:
        """The titles of the classes: the listed ones in their order, then the others by name."""
        others = sorted(title for title in {*self.kept, *self.lost} if title and title not in self._declared)
        return (*self._declared, *others)


@dataclass(frozen=True)
class Job:
    """What a reader reads, and where it reports.

    Attributes:
        path: the file or folder of the annotations.
        images: the folder of the images; None for the place where the format has them.
        boxes_as_masks: whether a box without a mask becomes a mask, the whole box; else it is left out.
        report: of what is kept and left out.
    """

    path: Path
    images: Path | None = None
    boxes_as_masks: bool = False
    report: Report = field(default_factory=Report)


def split_of(parts: Iterable[str]) -> str | None:
    """Finds the split in the names of folders; None where none of them names one."""
    return next((SPLIT_NAMES[part.lower()] for part in parts if part.lower() in SPLIT_NAMES), None)
