"""Defines a source of samples: annotated images in one format.

It also defines the split into training and validation.

A format is one file of this package with a function that opens a `Source`, and one line of `table.FORMATS`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from mrcnn.project.annotation import Annotation
from mrcnn.project.meta import ProjectMeta
from mrcnn.structures import Sample

PROJECT = "project"

ClassFacts = Mapping[str, Mapping[str, Any]]  # values by title of the class and name


@dataclass(frozen=True)
class DataPaths:
    """Paths of annotated images, and the extra fields that a run reads.

    Attributes:
        data: a folder or an annotation file.
        images: folder of the images that an annotation file lists; None for data that holds its images.
        val_data: annotation file of the validation set; None for data that is one set or holds both.
        val_images: folder of the images of `val_data`; None for `images`.
        fields: names of the objects' extra fields that the run needs; None for all known ones.
        boxes_as_masks: whether a box without a mask is an object that covers its box; else it is left out.
    """

    data: Path
    images: Path | None = None
    val_data: Path | None = None
    val_images: Path | None = None
    fields: Collection[str] | None = None
    boxes_as_masks: bool = False

    def __post_init__(self):
        """Converts texts to paths."""
        for name in ("data", "images", "val_data", "val_images"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else Path(value))


class Settings(NamedTuple):
    """The settings of a training on which its samples depend, named as in the train config.

    Attributes:
        train_tag: `dataset_tags.train`.
        val_tag: `dataset_tags.val`.
        background: `special_classes.background`, title of the class with index 0.
        neutral: `special_classes.neutral`, title of the class whose objects are ignored.
        class_title_to_idx: class indices of a trained model; None to assign new ones.
        max_skipped_share: share of unusable images above which the data is refused.
        seed: of random choices.
        fields: the objects' extra fields to read, by name; or only their names.
        stuff: `special_classes.stuff`, titles of the classes of the semantic map from 1; empty without one.
    """

    train_tag: str = "train"
    val_tag: str = "val"
    background: str = "bg"
    neutral: str | None = None
    class_title_to_idx: Mapping[str, int] | None = None
    max_skipped_share: float = 0.5
    seed: int = 0
    fields: Collection[str] = ()
    stuff: tuple[str, ...] = ()


class AnnotatedImage(Protocol):
    """One image of a source and its annotation; `project.reader.Item` is one."""

    @property
    def dataset(self) -> str:
        """Name of the data set; with `name` it is unique in the source."""

    @property
    def name(self) -> str:
        """Name of the image."""

    @property
    def image_path(self) -> Path:
        """Path of the image file."""

    @property
    def ann_path(self) -> Path:
        """Path of the file with the annotation, for messages."""

    def read_annotation(self, meta: ProjectMeta) -> Annotation:
        """Reads the annotation; called once for each image of a training.

        Its `extra` holds further values of the image by name, such as LVIS's `neg_category_ids`; metrics can read them.

        Raises:
            UserError: the annotation is malformed; the image is skipped.
        """


class Sets(NamedTuple):
    """The training and the validation set of a source.

    Attributes:
        train: indices of the training images, increasing.
        val: indices of the validation images, increasing.
        names: both sets in a message, e.g. "the 5 images with the tag 'train'".
        fix: what helps where a set has no object to learn, the end of a message.
        rest: end of the line that counts both sets.
        warnings: one line each.
    """

    train: tuple[int, ...]
    val: tuple[int, ...]
    names: tuple[str, str]
    fix: str
    rest: str = ""
    warnings: tuple[str, ...] = ()


Split = Callable[[Sequence[AnnotatedImage], Sequence[Annotation], Settings], Sets]


@dataclass(frozen=True)
class Source:
    """Annotated images in one format.

    Attributes:
        name: of the data; an inference names its output after it.
        meta: the classes in their order with their colours; objects have titles of these classes.
        items: the images.
        split: chooses the images of each set; arguments are those images of `items` whose annotation could be read, the
            annotations, and the settings. Raises `UserError` where a set would be empty.
        warnings: what was left out while the source was opened and why, one line each.
        left_out: number of images left out then.
        kind: the format in messages, e.g. "COCO file".
        classes_in: the place of the classes in messages.
        hint: appended to the summary of skipped annotations.
        class_facts: further values of each class, by title and then by name, such as LVIS's `frequency`; metrics can
            read them.
    """

    name: str
    meta: ProjectMeta
    items: tuple[AnnotatedImage, ...]
    split: Split
    warnings: tuple[str, ...] = ()
    left_out: int = 0
    kind: str = PROJECT
    classes_in: str = "the project's meta.json"
    hint: str = ""
    class_facts: ClassFacts = field(default_factory=dict)


class ImageList(NamedTuple):
    """Images without annotations, as inference reads them.

    Attributes:
        base: the folder that names are relative to.
        paths: the image files inside it.
        warnings: what was left out and why, one line each.
    """

    base: Path
    paths: tuple[Path, ...]
    warnings: tuple[str, ...] = ()


class Samples(NamedTuple):
    """The training and validation samples of a source, and its class indices.

    Attributes:
        train: samples to train on.
        val: samples to validate on.
        class_title_to_idx: title -> index, 0 the background; see `mrcnn.data.classes`.
        class_facts: as in `Source`.
    """

    train: tuple[Sample, ...]
    val: tuple[Sample, ...]
    class_title_to_idx: dict[str, int]
    class_facts: Mapping[str, Mapping[str, Any]] = {}
