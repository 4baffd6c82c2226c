"""Detections as labels of a Supervisely project, under the names an inference mode asks for.

Source: Supervisely Mask R-CNN plugin 5.16. Three deliberate differences: a name that the project already has is used
when it fits instead of ending the run, the background class, which no label ever has, is not added, and neither are
classes that the mode does not select.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from mrcnn.config.inference import Mode
from mrcnn.events import UserError
from mrcnn.project.annotation import Label, Tag
from mrcnn.project.geometry import Bitmap
from mrcnn.project.meta import ClassMeta, ProjectMeta, TagMeta
from mrcnn.structures import Detections

SHAPES = ("bitmap", "any")  # of a project's class that can hold a detection's label
SCORE_DECIMALS = 4


@dataclass(frozen=True)
class Naming:
    """What labels are called.

    Attributes:
        titles: the model's class -> the label's class; classes not written are not in it.
        tag: the name of the confidence tag; None where it is not written.
    """

    titles: dict[str, str]
    tag: str | None


def name_labels(class_names: Iterable[str], mode: Mode, *, confidence_tag: str) -> Naming:
    """Applies the mode's selections and suffixes.

    Args:
        class_names: the model's classes without the background.
        mode: its `model_classes` and `model_tags` are used.
        confidence_tag: what the tag is called before the suffix; with an empty name and suffix there is no tag.
    """
    classes, tags = mode.model_classes, mode.model_tags
    tag = tags.renamed(confidence_tag) if tags.selects(confidence_tag) else ""
    return Naming({name: classes.renamed(name) for name in class_names if classes.selects(name)}, tag or None)


def output_meta(meta: ProjectMeta, class_metas: Iterable[ClassMeta], naming: Naming) -> ProjectMeta:
    """Adds the written classes and the confidence tag to a project's meta.

    Args:
        meta: the input project's.
        class_metas: the model's classes, for their order and colours.
        naming: what they are called.

    Raises:
        UserError: the project has such a class that cannot hold bitmaps, or such a tag that holds no numbers.
    """
    new = [_bitmap_class(naming.titles[item.title], item) for item in class_metas if item.title in naming.titles]
    for item in new:
        known = meta.find_class(item.title)
        if known is not None and known.shape not in SHAPES:
            raise UserError(
                f"the project's class {item.title!r} has shape {known.shape} but detections are bitmaps; "
                "change `mode.model_classes.add_suffix` so that the names differ"
            )
    classes = (*meta.classes, *(item for item in new if meta.find_class(item.title) is None))
    return replace(meta, classes=classes, tags=_tags(meta, naming.tag))


def select(detections: Detections, naming: Naming) -> Detections:
    """Keeps the detections of the classes that are written."""
    keep = [index for index, name in enumerate(detections.class_names) if name in naming.titles]
    if len(keep) == len(detections.class_names):
        return detections
    return Detections(
        boxes=detections.boxes[keep],
        class_ids=detections.class_ids[keep],
        class_names=tuple(detections.class_names[index] for index in keep),
        scores=detections.scores[keep],
        masks=detections.masks[keep],
    )


def make_labels(detections: Detections, naming: Naming) -> tuple[Label, ...]:
    """Makes one bitmap label per detection of a written class, in order, with its score as a tag."""
    chosen = select(detections, naming)
    return tuple(
        Label(naming.titles[name], _bitmap(mask), _score_tags(score, naming.tag))
        for name, mask, score in zip(chosen.class_names, chosen.masks, chosen.scores, strict=True)
    )


def _score_tags(score: float, name: str | None) -> tuple[Tag, ...]:
    return () if name is None else (Tag(name, round(float(score), SCORE_DECIMALS)),)


def _bitmap(mask: np.ndarray) -> Bitmap:
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return Bitmap((x, y), mask[y : y + height, x : x + width])


def _bitmap_class(title: str, item: ClassMeta) -> ClassMeta:
    return ClassMeta(title, "bitmap", item.color, {"geometry_config": {}})


def _tags(meta: ProjectMeta, name: str | None) -> tuple[TagMeta, ...]:
    known = None if name is None else meta.find_tag(name)
    if known is not None and known.value_type != "any_number":
        raise UserError(
            f"the project's tag {name!r} has value_type {known.value_type} but the confidence is a number; "
            "change `mode.model_tags.add_suffix` so that the names differ"
        )
    return meta.tags if name is None or known is not None else (*meta.tags, TagMeta(name, "any_number"))
