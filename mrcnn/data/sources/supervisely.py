"""Makes the training and validation samples of a Supervisely project.

Every annotation file is parsed once. Objects of the background class are left out. Objects of the neutral class and
objects tagged `iscrowd` become regions to ignore. Figures bound to one instance are one object. An image without
objects is kept: all of it is background.
Source: Supervisely Mask R-CNN plugin 5.16. Its README describes the neutral class, but its code did not implement it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mrcnn.data import classes, split
from mrcnn.data.skipped import Skipped
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.fields import extras
from mrcnn.project import drawing, repeated
from mrcnn.project.annotation import CROWD_TAG, Annotation, Label
from mrcnn.project.geometry import Geometry
from mrcnn.project.reader import Item, Project
from mrcnn.structures import Sample

INSTANCE_KEY = "instance"  # of an object's JSON: figures with the same text there are parts of one object


class ProjectSamples(NamedTuple):
    """The training and validation samples of a project, and its class indices.

    Attributes:
        train: samples to train on.
        val: samples to validate on.
        class_title_to_idx: title -> index, 0 the background; see `mrcnn.data.classes`.
    """

    train: tuple[Sample, ...]
    val: tuple[Sample, ...]
    class_title_to_idx: dict[str, int]


def load_samples(
    project: Project,
    *,
    train_tag: str,
    val_tag: str,
    background: str,
    neutral: str | None = None,
    class_title_to_idx: Mapping[str, int] | None = None,
    max_skipped_share: float = 0.5,
    log: EventLog | None = None,
    fields: Sequence[str] = (),
) -> ProjectSamples:
    """Reads all annotations of a project and splits its images by tags.

    Args:
        project: the project.
        train_tag: name of the image tag of the training set.
        val_tag: name of the image tag of the validation set.
        background: title of the class with index 0.
        neutral: title of the class whose objects are ignored.
        class_title_to_idx: class indices of a trained model; None to assign new ones.
        max_skipped_share: share of broken annotations above which the project is refused.
        log: where warnings go; None for nowhere.
        fields: names of the objects' extra fields to read.

    Returns:
        Samples in the project's order.

    Raises:
        UserError: there is no class to learn, a set has no image or no object, or too many annotations are broken.
    """
    titles = [item.title for item in project.meta.classes]
    mapping = dict(class_title_to_idx or classes.class_mapping(titles, background, neutral))
    items, annotations = _read_annotations(project, max_share=max_skipped_share, log=log)
    chosen = split.split_items(annotations, train_tag=train_tag, val_tag=val_tag)
    samples = {
        index: make_sample(items[index], annotations[index], class_title_to_idx=mapping, neutral=neutral, fields=fields)
        for index in sorted({*chosen.train, *chosen.val})
    }
    train, val = (tuple(samples[index] for index in indices) for indices in (chosen.train, chosen.val))
    split.require_objects(train, key="train", tag=train_tag)
    split.require_objects(val, key="val", tag=val_tag)
    if log is not None:
        for line in (*repeated.grouped(project.warnings), *_warnings(chosen, annotations, background=background)):
            log.warning(line)
        log.info(f"{len(train)} training and {len(val)} validation images, {chosen.neither} images with neither tag")
    return ProjectSamples(train, val, mapping)


def make_sample(
    item: Item,
    annotation: Annotation,
    *,
    class_title_to_idx: Mapping[str, int],
    neutral: str | None = None,
    fields: Sequence[str] = (),
) -> Sample:
    """Makes the sample of one image. Of an object of several figures, the first has its extra fields.

    Raises:
        UserError: an object's class has no index.
    """
    figures: dict[tuple[int, bool, str | int], list[Label]] = {}
    for number, label in enumerate(annotation.labels):
        title = label.class_title
        if class_title_to_idx.get(title) == classes.BACKGROUND_IDX:
            continue
        ignore = title == neutral or label.has_tag(CROWD_TAG)
        if not ignore and title not in class_title_to_idx:
            raise UserError(f"{item.ann_path}: class {title!r} is none of {sorted(class_title_to_idx)}")
        class_id = class_title_to_idx.get(title, classes.BACKGROUND_IDX)  # neutral has none
        key = label.extra.get(INSTANCE_KEY)
        bound = key if isinstance(key, str) and key else number
        figures.setdefault((class_id, ignore, bound), []).append(label)
    return Sample(
        name=f"{item.dataset}/{item.name}",
        image_path=str(item.image_path),
        labels=tuple(_drawable([label.geometry for label in parts]) for parts in figures.values()),
        class_ids=tuple(class_id for class_id, _, _ in figures),
        ignore=tuple(ignore for _, ignore, _ in figures),
        size_hw=annotation.size_hw,
        extras=extras.of_labels([parts[0] for parts in figures.values()], fields),
    )


def _drawable(parts: list[Geometry]) -> "Geometry | _Figures":
    return parts[0] if len(parts) == 1 else _Figures(tuple(parts))


class _Figures(NamedTuple):
    """Several figures that form one object; drawn like a single geometry."""

    parts: tuple[Geometry, ...]

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Draws all parts onto one mask."""
        return drawing.union([part.to_mask(height, width) for part in self.parts])


def _read_annotations(
    project: Project, *, max_share: float, log: EventLog | None
) -> tuple[list[Item], list[Annotation]]:
    skipped = Skipped(len(project.items), max_share=max_share, log=log)
    items, annotations = [], []
    for item in project.items:
        try:
            annotations.append(item.read_annotation(project.meta))
        except UserError as error:
            skipped.add(f"{item.dataset}/{item.name}", error)
        else:
            items.append(item)
    if len(skipped) > repeated.FEW and log is not None:
        log.warning(f"{skipped.summary()}; python -m mrcnn check --all names each")
    return items, annotations


def _warnings(chosen: split.Split, annotations: Sequence[Annotation], *, background: str) -> list[str]:
    lines = []
    if chosen.both:
        lines.append(
            f"{chosen.both} images are tagged for both training and validation: "
            "what is measured on them says little about new images"
        )
    used = {*chosen.train, *chosen.val}
    shapes = sum((annotations[index].unsupported_shapes() for index in used), Counter())
    lines.extend(
        f"{count} objects of shape {shape} cannot be drawn and are left out" for shape, count in shapes.items()
    )
    unlearnt = sum(label.class_title == background for index in used for label in annotations[index].labels)
    if unlearnt:
        lines.append(
            f"{unlearnt} objects of class {background!r} count as background and are not learnt, since "
            "`special_classes.background` names it"
        )
    thin = sum((annotations[index].thin_shapes() for index in used), Counter())
    if thin:
        counts = ", ".join(f"{count} of shape {shape}" for shape, count in thin.most_common())
        lines.append(
            f"{thin.total()} objects have no area ({counts}) and are trained on as masks one pixel wide; "
            "to have them ignored, name their class in `special_classes.neutral`"
        )
    return lines
