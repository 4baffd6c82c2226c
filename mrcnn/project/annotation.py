"""Reads and writes the annotation of one image: its size, tags and objects.

Fields that this package does not use are kept and written back.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

from mrcnn.errors import UserError
from mrcnn.images import limits
from mrcnn.project import geometry
from mrcnn.project.meta import ProjectMeta, check_encodable
from mrcnn.project.skeletons import KEYPOINT_SHAPES, THIN_SHAPES

Part = TypeVar("Part")

SHOWN = 20  # classes of a project in a message
CROWD_TAG = "iscrowd"  # on an object: a group of several objects of its class; training ignores it
INSTANCE_KEY = "instance"  # of an object's JSON: figures with the same text there are parts of one object

_ANNOTATION_KEYS = ("description", "size", "tags", "objects")


@dataclass(frozen=True)
class Tag:
    """A tag on an image or an object.

    Attributes:
        name: of the tag, as declared in the project's meta.
        value: None, a number or a text.
        extra: the other fields of its JSON.
    """

    name: str
    value: Any = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Any) -> "Tag":
        """Reads a tag: an object, or in older files just the name."""
        data = {"name": data} if isinstance(data, str) else data
        if not isinstance(data, Mapping) or not isinstance(data.get("name"), str) or not data["name"]:
            raise UserError(f"a tag must be a name or an object with a `name`, got {data!r:.80}")
        check_encodable(data["name"], what="tag name")
        return cls(data["name"], data.get("value"), _without(data, ("name", "value")))

    def to_json(self) -> dict[str, Any]:
        """Writes the tag as an object."""
        return {"name": self.name, "value": self.value, **self.extra}


@dataclass(frozen=True)
class Label:
    """One annotated object.

    Attributes:
        class_title: title of a class of the project.
        geometry: what it covers.
        tags: its tags; names may repeat.
        extra: the other fields of its JSON (author, dates, …).
    """

    class_title: str
    geometry: geometry.Geometry
    tags: tuple[Tag, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Any, meta: ProjectMeta) -> "Label":
        """Reads an item of `objects`.

        The shape is that of the object's class. A class of shape `any` leaves it to the object's own `geometryType` or
        `shape`.

        Raises:
            UserError: the class is missing or not in the project, or tags or geometry are malformed.
        """
        if not isinstance(data, Mapping) or not isinstance(data.get("classTitle"), str):
            raise UserError(f"an object needs a text `classTitle`, got {data!r:.80}")
        title = data["classTitle"]
        class_meta = meta.find_class(title)
        if class_meta is None:
            known = ", ".join(item.title for item in meta.classes[:SHOWN]) or "none"
            known += ", …" if meta.classes[SHOWN:] else ""
            raise UserError(f"class {title!r} is not in the project's meta.json (there: {known}); add it there")
        shape = class_meta.shape
        if shape == "any":
            shape = str(data.get("geometryType") or data.get("shape") or "any")
        used = {"classTitle", "tags", *geometry.json_keys(shape)}
        extra = _without(data, used) | geometry.json_rest(shape, data)
        return cls(title, geometry.from_json(shape, data), _read_tags(data), extra)

    def to_json(self) -> dict[str, Any]:
        """Writes the object in today's form, with `geometryType` and `shape`."""
        drawn = self.geometry.to_json()
        rest = {key: self.extra[key] for key in drawn if isinstance(self.extra.get(key), Mapping)}
        return {
            "classTitle": self.class_title,
            "description": "",
            "geometryType": self.geometry.shape,
            "shape": self.geometry.shape,
            **self.extra,
            "tags": [tag.to_json() for tag in self.tags],
            **{key: {**value, **rest[key]} if key in rest else value for key, value in drawn.items()},
        }

    @property
    def instance(self) -> str | None:
        """The key `instance`, which is equal for all figures of one object.

        None where it is missing, empty or no text.
        """
        value = self.extra.get(INSTANCE_KEY)
        return value if isinstance(value, str) and value else None

    def has_tag(self, name: str) -> bool:
        """Checks whether the object has a tag of that name."""
        return any(tag.name == name for tag in self.tags)


@dataclass(frozen=True)
class Annotation:
    """The annotation of one image.

    Attributes:
        size_hw: height and width of the image as annotated; None where the file leaves it open.
        tags: the image's tags; names may repeat.
        labels: its objects, in order.
        description: free text.
        extra: the other fields of its JSON; under `size`, those inside it.
    """

    size_hw: tuple[int, int] | None
    tags: tuple[Tag, ...] = ()
    labels: tuple[Label, ...] = ()
    description: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Any, meta: ProjectMeta) -> "Annotation":
        """Reads the content of an annotation file.

        Raises:
            UserError: a required key is missing or malformed; the message names the object.
        """
        found = read(data, meta)
        if found.problems:
            raise UserError(found.problems[0])
        return found.annotation

    def to_json(self) -> dict[str, Any]:
        """Writes the content of an annotation file."""
        height, width = self.size_hw or (None, None)
        return {
            "description": self.description,
            "tags": [tag.to_json() for tag in self.tags],
            "size": {"height": height, "width": width, **self.extra.get("size", {})},
            "objects": [label.to_json() for label in self.labels],
            **_without(self.extra, ("size",)),
        }

    def has_tag(self, name: str) -> bool:
        """Checks whether the image has a tag of that name."""
        return any(tag.name == name for tag in self.tags)

    def all_tags(self) -> Iterator[Tag]:
        """Yields the tags of the image, then those of its objects."""
        yield from self.tags
        for label in self.labels:
            yield from label.tags

    def objects(self) -> tuple[tuple["Label", ...], ...]:
        """Groups the labels by the objects whose figures they are, in order of their first figures."""
        found: dict[tuple[str, bool, str | int], list[Label]] = {}
        for number, label in enumerate(self.labels):
            key = label.class_title, label.has_tag(CROWD_TAG), label.instance or number
            found.setdefault(key, []).append(label)
        return tuple(map(tuple, found.values()))

    def unsupported_shapes(self) -> Counter[str]:
        """Counts the objects that cannot be drawn, by shape."""
        return Counter(
            label.geometry.shape for label in self.labels if isinstance(label.geometry, geometry.Unsupported)
        )

    def attached(self, shapes: Collection[str] = KEYPOINT_SHAPES) -> frozenset[int]:
        """Finds the figures that hold extra data of an object, such as its keypoints.

        They are no part of the object's mask.

        Args:
            shapes: of such figures.

        Returns:
            Indices of the labels that have one of these shapes and are bound to a label of another shape.
        """
        objects: dict[tuple[str, bool, str], list[int]] = defaultdict(list)
        for index, label in enumerate(self.labels):
            if instance := label.instance:
                objects[label.class_title, label.has_tag(CROWD_TAG), instance].append(index)
        found: set[int] = set()
        for figures in objects.values():
            values = {index for index in figures if self.labels[index].geometry.shape in shapes}
            found |= values if len(values) < len(figures) else set()
        return frozenset(found)

    def thin_shapes(self, attached: Collection[str] = KEYPOINT_SHAPES) -> Counter[str]:
        """Counts the objects without an area, drawn one pixel wide, by shape.

        Args:
            attached: shapes whose figures are not counted where they belong to an object of another shape.
        """
        values = self.attached(attached)
        objects = (label for index, label in enumerate(self.labels) if index not in values)
        return Counter(label.geometry.shape for label in objects if label.geometry.shape in THIN_SHAPES)


class Reading(NamedTuple):
    """The readable part of an annotation file and its problems.

    Attributes:
        annotation: without the malformed parts.
        problems: one line for each malformed part, with the index of the object.
        places: for each label of the annotation, its index in the file's `objects`.
    """

    annotation: Annotation
    problems: tuple[str, ...]
    places: tuple[int, ...] = ()


def read(data: Any, meta: ProjectMeta) -> Reading:
    """Reads the content of an annotation file and leaves out malformed parts.

    Args:
        data: the parsed JSON.
        meta: the project's classes and tags.

    Returns:
        The readable part and the problems; an empty annotation where `data` is no object.
    """
    problems: list[str] = []
    room = _Room()

    def attempt(make: Callable[[], Part], where: str = "") -> Part | None:
        try:
            return make()
        except UserError as error:
            problems.append(f"{where}{error}")
            return None

    if not isinstance(data, Mapping):
        return Reading(Annotation(None), (f"an annotation must be a JSON object, got {data!r:.80}",))
    objects = data.get("objects")
    if not isinstance(objects, list):
        problems.append(f"an annotation needs a list `objects`, got {objects!r:.80}")
        objects = []
    labels = {
        index: label
        for index, item in enumerate(objects)
        if (label := attempt(partial(_read_label, item, meta, room), f"object {index}: "))
    }
    annotation = Annotation(
        attempt(lambda: _read_size(data.get("size"))),
        attempt(lambda: _read_tags(data)) or (),
        tuple(labels.values()),
        data.get("description") or "",
        _without(data, _ANNOTATION_KEYS) | _size_rest(data.get("size")),
    )
    return Reading(annotation, tuple(problems), tuple(labels))


class _Room:
    """Counts the bytes that the bitmaps of an annotation take when decoded."""

    def __init__(self) -> None:
        self.used = 0

    def check(self) -> None:
        limits.check_decoded(self.used, what="the annotation: its bitmaps together")


def _read_label(item: Any, meta: ProjectMeta, room: _Room) -> Label:
    room.check()  # before the next is decoded
    label = Label.from_json(item, meta)
    room.used += getattr(label.geometry, "decoded_bytes", 0)
    return label


def _without(data: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in known}


def _size_rest(size: Any) -> dict[str, Any]:
    rest = _without(size, ("height", "width")) if isinstance(size, Mapping) else {}
    return {"size": rest} if rest else {}


def _read_tags(data: Mapping[str, Any]) -> tuple[Tag, ...]:
    tags = data.get("tags")
    if not isinstance(tags, list):
        raise UserError(f"`tags` must be a list, got {tags!r:.80}")
    return tuple(map(Tag.from_json, tags))


def _read_size(size: Any) -> tuple[int, int] | None:
    if not isinstance(size, Mapping) or not {"height", "width"} <= size.keys():
        raise UserError(f"an annotation needs `size` with `height` and `width`, got {size!r:.80}")
    height, width = size["height"], size["width"]
    if height is None or width is None:
        return None  # linked images of newer exports: the size is read from the image
    if not all(type(value) in (int, float) and value > 0 and value % 1 == 0 for value in (height, width)):
        raise UserError(f"`size` must hold whole numbers above 0, got {size!r:.80}")
    return int(height), int(width)
