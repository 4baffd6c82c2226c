"""Makes the training and validation samples of a source.

Every annotation is read once. Objects of the background class are left out, those of stuff classes become regions of
the semantic map. Objects of the neutral class and objects tagged `iscrowd` become regions to ignore. Figures bound to
one instance are one object. An image without objects is kept: all of it is background.
Source: Supervisely Mask R-CNN plugin 5.16. Its README describes the neutral class, but its code did not implement it.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from mrcnn.data import classes, split
from mrcnn.data.skipped import Skipped
from mrcnn.data.sources.source import AnnotatedImage, Samples, Sets, Settings, Source
from mrcnn.errors import UserError, counted
from mrcnn.events import EventLog
from mrcnn.fields import extras
from mrcnn.project import drawing, repeated
from mrcnn.project.annotation import CROWD_TAG, Annotation, Label
from mrcnn.project.geometry import Geometry, Rectangle
from mrcnn.project.listing import few
from mrcnn.project.skeletons import KEYPOINT_SHAPES
from mrcnn.structures import Sample


def load_samples(source: Source, settings: Settings, *, log: EventLog | None = None) -> Samples:
    """Reads all annotations of a source and splits its images.

    Args:
        source: the images.
        settings: the settings of the training.
        log: where warnings go; None for nowhere.

    Returns:
        Samples in the source's order.

    Raises:
        UserError: there is no class to learn, a stuff class is none of the data, a set has no image or no object, or
            too many images are unusable.
    """
    titles = _things(source, settings)
    mapping = dict(
        settings.class_title_to_idx
        or classes.class_mapping(titles, settings.background, settings.neutral, place=source.classes_in)
    )
    _check_left_out(source, max_share=settings.max_skipped_share)
    items, annotations = _read_annotations(source, settings, log=log)
    sets = source.split(items, annotations, settings)
    samples = {
        index: make_sample(
            items[index],
            annotations[index],
            class_title_to_idx=mapping,
            neutral=settings.neutral,
            fields=settings.fields,
            stuff=classes.stuff_numbers(settings.stuff),
        )
        for index in sorted({*sets.train, *sets.val})
    }
    train, val = (tuple(samples[index] for index in indices) for indices in (sets.train, sets.val))
    for chosen, name in zip((train, val), sets.names, strict=True):
        split.require_objects(chosen, name=name, fix=sets.fix)
    if log is not None:
        for line in (*repeated.grouped(source.warnings), *_warnings(sets, annotations, settings.background)):
            log.warning(line)
        log.info(f"{len(train)} training and {len(val)} validation images{sets.rest}")
    return Samples(train, val, mapping, source.class_facts)


def make_sample(
    item: AnnotatedImage,
    annotation: Annotation,
    *,
    class_title_to_idx: Mapping[str, int],
    neutral: str | None = None,
    fields: Collection[str] = (),
    stuff: Mapping[str, int] | None = None,
) -> Sample:
    """Makes the sample of one image.

    Args:
        item: the image.
        annotation: its objects.
        class_title_to_idx: class ids by title, 0 the background.
        neutral: title of the class whose objects are ignored; None without one.
        fields: the extra fields to read, as for `fields.table.chosen`.
        stuff: numbers of the stuff classes by title; None for a sample without semantic map.

    Raises:
        UserError: an object's class has no index.
    """
    figures: dict[tuple[int, bool, str | int], list[Label]] = {}
    for number, label in enumerate(annotation.labels):
        title = label.class_title
        if class_title_to_idx.get(title) == classes.BACKGROUND_IDX or title in (stuff or ()):
            continue
        ignore = title == neutral or label.has_tag(CROWD_TAG)
        if not ignore and title not in class_title_to_idx:
            raise UserError(f"{item.ann_path}: class {title!r} is none of {sorted(class_title_to_idx)}")
        class_id = class_title_to_idx.get(title, classes.BACKGROUND_IDX)  # neutral has none
        figures.setdefault((class_id, ignore, label.instance or number), []).append(label)
    return Sample(
        name=f"{item.dataset}/{item.name}",
        image_path=str(item.image_path),
        labels=tuple(_drawable([label.geometry for label in parts]) for parts in figures.values()),
        class_ids=tuple(class_id for class_id, _, _ in figures),
        ignore=tuple(ignore for _, ignore, _ in figures),
        size_hw=annotation.size_hw,
        extras=extras.of_objects(figures.values(), fields),
        facts=annotation.extra,
        stuff=None
        if stuff is None
        else tuple(
            (label.geometry, stuff[label.class_title]) for label in annotation.labels if label.class_title in stuff
        ),
    )


def without_mask(sample: Sample) -> int:
    """Counts the objects of a sample that are boxes, so that their masks are not known; regions to ignore are none."""
    learnt = [label for label, is_ignored in zip(sample.labels, sample.ignore, strict=True) if not is_ignored]
    parts = [label.parts if isinstance(label, _Figures) else (label,) for label in learnt]
    return sum(all(isinstance(part, Rectangle) for part in figures) for figures in parts)


def _drawable(parts: list[Geometry]) -> "Geometry | _Figures":
    """Joins the figures of an object to one geometry.

    Those of extra fields and keypoints are left out if there are others.
    """
    own = _attached_shapes()
    drawn = [part for part in parts if part.shape not in own] or parts
    return drawn[0] if len(drawn) == 1 else _Figures(tuple(drawn))


class _Figures(NamedTuple):
    """Several figures that form one object; drawn like a single geometry."""

    parts: tuple[Geometry, ...]

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Draws all parts onto one mask."""
        return drawing.union([part.to_mask(height, width) for part in self.parts])


def _things(source: Source, settings: Settings) -> list[str]:
    """Lists the classes of a source that have instances; checks the names of the others."""
    titles = [item.title for item in source.meta.classes]
    for title in settings.stuff:
        if title not in titles:
            raise UserError(
                f"`special_classes.stuff` must list classes of the data, got {title!r}; those are {few(titles)}"
            )
    return [title for title in titles if title not in settings.stuff]


def _check_left_out(source: Source, *, max_share: float) -> None:
    total = source.left_out + len(source.items)
    if source.left_out > max_share * total:
        reasons = "; ".join(source.warnings)
        raise UserError(f"too many images cannot be used: {source.left_out} of {total} are left out: {reasons}")


def _read_annotations(
    source: Source, settings: Settings, *, log: EventLog | None
) -> tuple[list[AnnotatedImage], list[Annotation]]:
    skipped = Skipped(len(source.items), max_share=settings.max_skipped_share, log=log)
    items: list[AnnotatedImage] = []
    annotations: list[Annotation] = []
    for item in source.items:
        try:
            annotation = item.read_annotation(source.meta)
            # a malformed value is found here, not in training
            extras.of_objects(([label] for label in annotation.labels), settings.fields)
        except UserError as error:
            skipped.add(f"{item.dataset}/{item.name}", error)
        else:
            items.append(item)
            annotations.append(annotation)
    if len(skipped) > repeated.FEW and log is not None:
        log.warning(f"{skipped.summary()}{source.hint}")
    return items, annotations


def _warnings(sets: Sets, annotations: Sequence[Annotation], background: str) -> list[str]:
    lines = list(sets.warnings)
    used = {*sets.train, *sets.val}
    shapes = sum((annotations[index].unsupported_shapes() for index in used), Counter())
    lines.extend(
        f"{count} objects of shape {shape} cannot be drawn and are left out" for shape, count in shapes.items()
    )
    unlearnt = sum(label.class_title == background for index in used for label in annotations[index].labels)
    if unlearnt:
        lines.append(
            f"{counted(unlearnt, 'object')} of class {background!r} not learnt but taken as background, since "
            "`special_classes.background` names it"
        )
    thin = sum((annotations[index].thin_shapes(_attached_shapes()) for index in used), Counter())
    if thin:
        counts = ", ".join(f"{count} of shape {shape}" for shape, count in thin.most_common())
        lines.append(
            f"{counted(thin.total(), 'object')} without area ({counts}), trained on as masks one pixel wide; "
            "to have them ignored, name their class in `special_classes.neutral`"
        )
    return lines


def _attached_shapes() -> frozenset[str]:
    """Collects the shapes of extra fields and graphs, which do not count beside another shape."""
    return KEYPOINT_SHAPES | extras.own_shapes()
