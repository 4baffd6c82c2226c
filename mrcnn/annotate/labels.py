"""Converts detections to labels of a Supervisely project, named by the inference mode.

Source: Supervisely Mask R-CNN plugin 5.16. Four deliberate differences:

- a class or tag name that the project already has is used if its type fits; the original ended the run,
- the background class, which no label has, is not added,
- classes that the mode does not select are not added,
- the colour of a new class is derived from its name, not random.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mrcnn.config.inference import BboxesMode, Mode, Names, RoiMode, Selection, SlidingMode, is_among
from mrcnn.errors import UserError
from mrcnn.fields import extras
from mrcnn.fields.table import Fields, chosen
from mrcnn.predict import compact, panoptic
from mrcnn.predict.facts import ModelFacts
from mrcnn.predict.regions import Found, Part
from mrcnn.predict.windows import Box
from mrcnn.project.annotation import Annotation, Label, Tag
from mrcnn.project.geometry import Bitmap, Rectangle
from mrcnn.project.meta import ClassMeta, ProjectMeta, TagMeta
from mrcnn.structures import SEMANTIC, CompactDetections, CroppedMask, SemanticRules

SCORE_DECIMALS = 4


@dataclass(frozen=True)
class Naming:
    """Class and tag names of the labels that a run writes.

    Attributes:
        titles: the label's class by the model's class; classes that are not written are left out.
        tag: name of the confidence tag; None if it is not written.
        region: class of the rectangles that mark regions; None if they are not written.
        object_suffix: suffix for the class of an annotated object's region rectangle; None if they are not written.
        objects: classes of the annotated objects that have such a rectangle.
        existing: which annotated objects are kept, and the suffix for their class.
        shape: of the classes in `titles`: `any` where extra fields have figures of their own.
        fields: the extra fields of the detections by name.
        semantic: the stuff classes of the model's semantic map, and how it is merged with the detections; None without.
    """

    titles: dict[str, str]
    tag: str | None
    region: str | None = None
    object_suffix: str | None = None
    objects: Names = "__all__"
    existing: Selection = field(default_factory=Selection)
    shape: str = "bitmap"
    fields: Fields = field(default_factory=dict)
    semantic: SemanticRules | None = None


def name_labels(
    class_names: Iterable[str],
    mode: Mode,
    *,
    confidence_tag: str,
    fields: Collection[str] = (),
    semantic: SemanticRules | None = None,
) -> Naming:
    """Builds the label names from the mode's selections and suffixes.

    Args:
        class_names: the model's classes without the background.
        mode: the inference mode, with its selections, suffixes and `save`.
        confidence_tag: name of the confidence tag before the suffix; no tag is written if name and suffix are empty.
        fields: the extra fields of a detection, as for `fields.table.chosen`.
        semantic: of the model's semantic map; its stuff classes are selected and named as the others are.
    """
    classes, tags = mode.model_classes, mode.model_tags
    tag = tags.renamed(confidence_tag) if tags.selects(confidence_tag) else ""
    names = (*class_names, *(semantic.stuff if semantic else ()))
    titles = {name: classes.renamed(name) for name in names if classes.selects(name)}
    shape = "any" if extras.own_shapes(fields) else "bitmap"
    naming = Naming(
        titles, tag or None, existing=mode.existing_objects, shape=shape, fields=chosen(fields), semantic=semantic
    )
    if isinstance(mode, RoiMode | SlidingMode) and mode.save:
        return replace(naming, region=mode.class_name)
    if isinstance(mode, BboxesMode) and mode.save:
        return replace(naming, object_suffix=mode.add_suffix, objects=mode.from_classes)
    return naming


def of_model(facts: ModelFacts, mode: Mode, *, fields: Collection[str], confidence_tag: str) -> Naming:
    """Builds the label names of a model; else as `name_labels`."""
    semantic = facts.maps.get(SEMANTIC)
    return name_labels(facts.class_names[1:], mode, confidence_tag=confidence_tag, fields=fields, semantic=semantic)


def output_meta(meta: ProjectMeta, class_metas: Iterable[ClassMeta], naming: Naming) -> ProjectMeta:
    """Adds the written classes and the confidence tag to a project's meta.

    Args:
        meta: the meta of the input project.
        class_metas: the model's classes, for their order and colours.
        naming: the names of the labels; renamed classes of the project are added too.

    Raises:
        UserError: the project has a class of the same name but another shape, or a tag of the same name that does not
            hold numbers.
    """
    known = {item.title: item for item in meta.classes}
    for item, what, key in _new_classes(meta, class_metas, naming):
        shape = known.setdefault(item.title, item).shape
        if shape not in (item.shape, "any"):
            raise UserError(
                f"the class {item.title!r} has shape {shape} but {what} are {_figures_of(item.shape)}; "
                f"change `mode.{key}` so that the names differ"
            )
    return replace(meta, classes=tuple(known.values()), tags=_tags(meta, naming.tag))


def select(detections: CompactDetections, naming: Naming) -> CompactDetections:
    """Filters detections by the classes that are written."""
    keep = [index for index, name in enumerate(detections.class_names) if name in naming.titles]
    return detections if len(keep) == len(detections.class_names) else compact.take(detections, keep)


def annotate(annotation: Annotation, found: Found, naming: Naming) -> Annotation:
    """Adds the detections of an image to its annotation.

    Each detection of a written class becomes a bitmap with its score as a tag. Before these comes a bitmap for each
    written stuff class of the panoptic merge, with the pixels that no merged detection covers. The rectangle of a saved
    region follows the bitmaps of that region. Labels found in the region of an annotated object come before that
    object, all others after the last object. Annotated objects are dropped or renamed by `naming.existing`.
    """
    new: dict[int, list[Label]] = defaultdict(list)
    for part in found.parts:
        place = len(annotation.labels) if part.label is None else part.label
        new[place] += _labels(part, annotation, naming)
    labels = [item for index, label in enumerate(annotation.labels) for item in (*new[index], *_kept(label, naming))]
    return replace(annotation, labels=(*labels, *new[len(annotation.labels)]))


def _kept(label: Label, naming: Naming) -> Iterator[Label]:
    """Yields an annotated object, renamed if needed; nothing if it is not kept."""
    stays = naming.existing
    if stays.selects(label.class_title) and stays.add_suffix:
        yield replace(label, class_title=stays.renamed(label.class_title), extra=_without(label.extra, "classId"))
    elif stays.selects(label.class_title):
        yield label


def _labels(part: Part, annotation: Annotation, naming: Naming) -> Iterator[Label]:
    for name, mask in stuff(part.detections, naming):
        yield Label(naming.titles[name], Bitmap(mask.origin[::-1], mask.pixels))
    shown = select(part.detections, naming)
    for row, (name, mask) in enumerate(zip(shown.class_names, shown.masks, strict=True)):
        tags = _score_tags(shown.scores[row], naming.tag)
        label = Label(naming.titles[name], Bitmap(mask.origin[::-1], mask.pixels), tags)
        yield from extras.figures(label, extras.row_of(shown.extras, row), naming.fields)
    if part.box is not None:
        title = naming.region
        if part.label is not None:
            title = f"{annotation.labels[part.label].class_title}{naming.object_suffix or ''}"
        if title is not None:
            yield Label(title, _rectangle(part.box))


def stuff(found: CompactDetections, naming: Naming) -> Iterator[tuple[str, CroppedMask]]:
    """Yields the name of each written stuff class of an image, and the pixels that no merged detection covers."""
    merged = panoptic.of_detections(found, naming.semantic) if naming.semantic else None
    if naming.semantic is None or merged is None:
        return
    for number, segment in enumerate(merged.segments, start=1):
        name = "" if segment.is_thing else naming.semantic.stuff[segment.class_id - 1]
        if name in naming.titles:
            yield name, CroppedMask.from_pixels(merged.ids == number)


def _rectangle(box: Box) -> Rectangle:
    y1, x1, y2, x2 = box
    return Rectangle(np.array([[x1, y1], [x2 - 1, y2 - 1]]))  # the format's right and bottom are inclusive


def _score_tags(score: float, name: str | None) -> tuple[Tag, ...]:
    return () if name is None else (Tag(name, round(float(score), SCORE_DECIMALS)),)


def _new_classes(
    meta: ProjectMeta, class_metas: Iterable[ClassMeta], naming: Naming
) -> Iterator[tuple[ClassMeta, str, str]]:
    """Yields each written class, its use, and the mode's key that sets its name."""
    for item in class_metas:
        if item.title in naming.titles:
            title = naming.titles[item.title]
            found = _class(title, naming.shape, item.color)
            yield (
                replace(found, extra={**found.extra, **extras.to_class(naming.fields)}),
                "detections",
                "model_classes.add_suffix",
            )
    if naming.region is not None:
        yield _class(naming.region, "rectangle"), "regions", "class_name"
    if naming.object_suffix is not None:
        for item in meta.classes:
            if is_among(item.title, naming.objects):
                yield _class(item.title + naming.object_suffix, "rectangle", item.color), "boxes", "add_suffix"
    stays = naming.existing
    for item in meta.classes:
        if stays.add_suffix and stays.selects(item.title):
            title, extra = stays.renamed(item.title), _without(item.extra, "id", "hotkey")
            yield replace(item, title=title, extra=extra), "existing objects", "existing_objects.add_suffix"


def _without(extra: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Drops keys that identify the old class, for a copy under a new class."""
    return {key: value for key, value in extra.items() if key not in keys}


def _figures_of(shape: str) -> str:
    return "figures of several shapes" if shape == "any" else f"{shape}s"


def _class(title: str, shape: str, color: str = "") -> ClassMeta:
    return ClassMeta(title, shape, color, {"geometry_config": {}})


def _tags(meta: ProjectMeta, name: str | None) -> tuple[TagMeta, ...]:
    known = None if name is None else meta.find_tag(name)
    if known is not None and known.value_type != "any_number":
        raise UserError(
            f"the project's tag {name!r} has value_type {known.value_type} but the confidence is a number; "
            "change `mode.model_tags.add_suffix` so that the names differ"
        )
    return meta.tags if name is None or known is not None else (*meta.tags, TagMeta(name, "any_number"))
