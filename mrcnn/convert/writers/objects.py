"""Turns the annotation of an image into the objects that writers receive.

The objects are those of a training: figures of one class and instance are one object, crowds are objects of their own,
and a shape without an area is drawn one pixel wide. Everything is in the upright image: the annotation of a picture as
stored is turned by the image's EXIF orientation.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.convert.writers.record import Instance, Losses
from mrcnn.data.formats.objects import SOURCE_ID
from mrcnn.errors import UserError
from mrcnn.fields import extras
from mrcnn.fields.table import FIELDS, Fields
from mrcnn.images import image_file
from mrcnn.project import drawing
from mrcnn.project.annotation import CROWD_TAG, Annotation, Label, Tag
from mrcnn.project.geometry import Unsupported
from mrcnn.project.skeletons import KEYPOINT_SHAPES, THIN_SHAPES

OUTSIDE = "it has no pixel in the image"
UNKNOWN = "its shape cannot be drawn"
TOO_LARGE = "it cannot be drawn"
UNKNOWN_PART = "object without a figure of it, whose shape cannot be drawn"
UNNAMED = "object with keypoints, left out since its class does not name them"
THIN = "object without an area, drawn one pixel wide"
SEVERAL_VALUES = "object with a second tag of one name, which is left out"
TURNED = "object with extra fields, left out since the annotation is of the image before its EXIF turn"


class Frame:
    """The upright image of an annotation.

    Attributes:
        drawn_hw: height and width of the image as annotated, pixels.
        upright_hw: the same of the upright image.
    """

    def __init__(self, path: Path, stated_hw: tuple[int, int] | None):
        """Reads the size of an image file.

        Args:
            path: of the image.
            stated_hw: height and width in its annotation; None for those of the upright image.

        Raises:
            UserError: the image cannot be read, or has another size than the annotation says.
        """
        found = image_file.header_sizes(path) or image_file.sizes(image_file.read_bytes(path), name=str(path))
        self._path = path
        self.upright_hw = found.upright_hw
        self.drawn_hw = stated_hw or found.upright_hw
        if self.drawn_hw not in found:
            (height, width), (stated_height, stated_width) = found.upright_hw, self.drawn_hw
            raise UserError(f"{path.name} says {stated_height}x{stated_width}, has {height}x{width}")

    @property
    def is_turned(self) -> bool:
        """Whether the annotation is of the image as stored, which differs from the upright one."""
        return self.drawn_hw != self.upright_hw

    def upright(self, drawn: drawing.Drawn) -> drawing.Drawn:
        """Turns a drawn object to the upright image."""
        if not self.is_turned:
            return drawn
        mask, (y, x) = drawn
        canvas = np.zeros(self.drawn_hw, bool)
        canvas[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        turned = image_file.turned_upright(canvas, image_file.read_bytes(self._path))
        return drawing.tight(turned, 0, 0) or drawn


def fields_of(class_facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Fields]:
    """Finds the extra fields of each class, as its annotations have them.

    Args:
        class_facts: further values of each class by title, as of a `Source`.

    Returns:
        Title -> fields by name; without those of which the class has no settings, such as names of keypoints.
    """
    found: dict[str, Fields] = {}
    for title, facts in class_facts.items():
        own = {}
        for name, field in FIELDS.items():
            try:
                settings = field.settled(None, [facts]).settings
            except UserError:
                continue
            category = field.of_model(settings).to_coco_category()
            own[name] = field.of_category(category).of_data(class_facts)
        found[title] = own
    return found


def instances_of(
    annotation: Annotation,
    frame: Frame,
    *,
    fields: Mapping[str, Fields],
    score_tag: str,
    losses: Losses,
    where: str,
) -> tuple[Instance, ...]:
    """Draws the objects of an image.

    Args:
        annotation: of the image.
        frame: the image.
        fields: from `fields_of`.
        score_tag: name of the tag with the score of a detection.
        losses: of objects that cannot be drawn.
        where: name of the image, for messages.

    Returns:
        The objects in the order of their first figures.
    """
    attached = annotation.attached(KEYPOINT_SHAPES | extras.own_shapes())
    figures: dict[tuple[str, bool, str | int], list[int]] = {}
    for number, label in enumerate(annotation.labels):
        key = label.class_title, label.has_tag(CROWD_TAG), label.instance or number
        figures.setdefault(key, []).append(number)
    found = []
    for (title, _, _), numbers in figures.items():
        masks = [annotation.labels[number] for number in numbers if number not in attached]
        drawn = _drawn(masks, frame, losses=losses, where=f"{where} object {numbers[0]}")
        if drawn is not None:
            labels = [annotation.labels[number] for number in numbers]
            values = _fields(labels, frame, fields=fields.get(title, {}), losses=losses)
            if len(masks) < len(labels) and not fields.get(title):
                losses.reduce(UNNAMED, title)
            found.append(_instance(labels, drawn, score_tag=score_tag, losses=losses)._replace(fields=values))
    return tuple(found)


def _instance(labels: Sequence[Label], drawn: drawing.Drawn, *, score_tag: str, losses: Losses) -> Instance:
    """Makes an object of its figures, without extra fields."""
    title = labels[0].class_title
    tags = unique([tag for label in labels for tag in label.tags if tag.name != CROWD_TAG], title, losses)
    scores = [number for tag in tags if tag.name == score_tag and (number := _number(tag.value)) is not None]
    texts = [text for label in labels if isinstance(text := label.extra.get("description"), str)]
    mask, origin = drawn
    return Instance(
        title,
        mask,
        origin,
        is_crowd=labels[0].has_tag(CROWD_TAG),
        score=scores[0] if scores else None,
        tags=tuple(tag for tag in tags if not scores or tag.name != score_tag),
        description=next(filter(None, texts), ""),
        source_id=_id(labels),
    )


def unique(tags: Sequence[Tag], title: str, losses: Losses) -> tuple[Tag, ...]:
    """Lists the tags with the first value of each name; counts further values.

    Args:
        tags: of an object or image; the same tag may repeat, as figures of one object have it.
        title: of the object's class, for the count.
        losses: where a name with several values is counted.
    """
    found: dict[str, Tag] = {}
    several: set[str] = set()
    for tag in tags:
        if found.setdefault(tag.name, tag).value != tag.value:
            several.add(tag.name)
    for _ in several:
        losses.reduce(SEVERAL_VALUES, title)
    return tuple(found.values())


def _drawn(labels: Sequence[Label], frame: Frame, *, losses: Losses, where: str) -> drawing.Drawn | None:
    title = labels[0].class_title
    height, width = frame.drawn_hw
    shapes = {label.geometry.shape for label in labels}
    try:
        drawn = drawing.union([label.geometry.to_mask(height, width) for label in labels])
    except UserError as error:
        losses.lose(TOO_LARGE, f"{where} ({error})", title=title)
        return None
    if drawn is None:
        is_unknown = all(isinstance(label.geometry, Unsupported) for label in labels)
        losses.lose(UNKNOWN if is_unknown else OUTSIDE, f"{where} ({', '.join(sorted(shapes))})", title=title)
        return None
    if any(isinstance(label.geometry, Unsupported) for label in labels):
        losses.reduce(UNKNOWN_PART, title)
    if shapes <= {*THIN_SHAPES}:
        losses.reduce(THIN, title)
    return frame.upright(drawn)


def _fields(labels: Collection[Label], frame: Frame, *, fields: Fields, losses: Losses) -> dict[str, Any]:
    """Reads the extra fields of an object as keys of COCO JSON; empty where it has none."""
    values = extras.row_of(extras.of_objects([list(labels)], fields), 0)
    own = {name: value for name, value in values.items() if value.any()}
    if own and frame.is_turned:
        losses.reduce(TURNED, next(iter(labels)).class_title)
        return {}
    return extras.to_coco(own, fields)


def _id(labels: Sequence[Label]) -> int | str | None:
    """Finds the id of an object in the data that it is from, else that of a project's label."""
    for name in (SOURCE_ID, "id"):
        value = labels[0].extra.get(name)
        if isinstance(value, int | str) and not isinstance(value, bool) and value != "":
            return value
    return None


def _number(value: Any) -> float | None:
    """Reads a score, also from text; None for what is no finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and not isinstance(value, bool) else None
