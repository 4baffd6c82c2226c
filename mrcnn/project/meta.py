"""Reads and writes `meta.json` of a Supervisely project: its classes and tags, in order.

Fields that this package does not use are kept and written back.
"""

import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from mrcnn.errors import UserError

_HEX_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_LEGACY_TAG_KEYS = ("tags_images", "tags_objects")


@dataclass(frozen=True)
class ClassMeta:
    """One class: its title, the shape of its objects and its colour `#RRGGBB`.

    A colour that is missing or malformed becomes one derived from the title. `extra` holds every other key.
    """

    title: str
    shape: str = "bitmap"
    color: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        """Checks the title and replaces a missing or malformed colour.

        Raises:
            UserError: the title cannot be written as UTF-8.
        """
        check_encodable(self.title, what="class title")
        object.__setattr__(self, "color", _color_or_derived(self.color, self.title))

    @classmethod
    def from_json(cls, data: Any) -> "ClassMeta":
        """Reads an item of `classes`.

        Raises:
            UserError: it is no object, or has no title or no shape.
        """
        if not isinstance(data, Mapping):
            raise UserError(f"each item of `classes` must be an object, got {data!r:.80}")
        title, shape = _text(data, "title", what="class"), _text(data, "shape", what="class")
        return cls(title, shape, data.get("color"), _rest(data, "title", "shape", "color"))  # type: ignore[arg-type]

    def to_json(self) -> dict[str, Any]:
        """Writes the class with the keys it was read with."""
        return {"title": self.title, "shape": self.shape, "color": self.color, **self.extra}


@dataclass(frozen=True)
class TagMeta:
    """One tag of a project.

    Attributes:
        name: of the tag.
        value_type: kind of its values: `none`, `any_number`, `any_string`, `oneof_string`, ….
        color: `#RRGGBB`; one that is missing or malformed becomes one derived from the name.
        values: the allowed values of `oneof_string`; None where the file has none.
        extra: the other fields of its JSON.
    """

    name: str
    value_type: str = "none"
    color: str = ""
    values: tuple[str, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        """Checks the name and the values, and replaces a missing or malformed colour.

        Raises:
            UserError: the name cannot be written as UTF-8, or a `oneof_string` has no values.
        """
        check_encodable(self.name, what="tag name")
        object.__setattr__(self, "color", _color_or_derived(self.color, self.name))
        if self.value_type == "oneof_string" and self.values is None:
            raise UserError(f"tag {self.name!r} has value_type oneof_string and so needs a list `values`")

    @classmethod
    def from_json(cls, data: Any) -> "TagMeta":
        """Reads an item of `tags`: an object, or in very old projects just the name."""
        if isinstance(data, str):
            return cls(data)
        if not isinstance(data, Mapping):
            raise UserError(f"each item of `tags` must be an object or a name, got {data!r:.80}")
        values = data.get("values")
        if values is not None and not isinstance(values, list):
            raise UserError(f"`values` of tag {data.get('name')!r} must be a list of strings, got {values!r:.80}")
        return cls(
            _text(data, "name", what="tag"),
            data.get("value_type") or "none",
            data.get("color"),  # type: ignore[arg-type]
            None if values is None else tuple(values),
            _rest(data, "name", "value_type", "color", "values"),
        )

    def accepts(self, value: Any) -> bool:
        """Checks whether the tag may have this value; an unknown value type accepts every value."""
        if self.value_type == "none":
            return value is None
        if self.value_type == "any_number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        if self.value_type in ("any_string", "date"):
            return isinstance(value, str)
        return self.value_type != "oneof_string" or value in (self.values or ())

    def to_json(self) -> dict[str, Any]:
        """Writes the tag with the keys it was read with."""
        values = {} if self.values is None else {"values": list(self.values)}
        return {"name": self.name, "value_type": self.value_type, "color": self.color, **values, **self.extra}


@dataclass(frozen=True)
class ProjectMeta:
    """The classes and tags of a project; `extra` holds the other keys of `meta.json`."""

    classes: tuple[ClassMeta, ...] = ()
    tags: tuple[TagMeta, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        """Checks that class titles and tag names are unique; raises `UserError` otherwise."""
        _check_unique([item.title for item in self.classes], what="class")
        _check_unique([item.name for item in self.tags], what="tag")

    @classmethod
    def from_json(cls, data: Any) -> "ProjectMeta":
        """Reads the content of `meta.json`, also with the old `tags_images` and `tags_objects`.

        Raises:
            UserError: no `classes`, a nameless or repeated class or tag, old and new tags mixed.
        """
        if not isinstance(data, Mapping) or not isinstance(data.get("classes"), list):
            raise UserError("the project's meta must be a JSON object with a list `classes`")
        return cls(
            tuple(map(ClassMeta.from_json, data["classes"])),
            _read_tags(data),
            _rest(data, "classes", "tags", *_LEGACY_TAG_KEYS),
        )

    def to_json(self) -> dict[str, Any]:
        """Writes the content of `meta.json`."""
        classes = [item.to_json() for item in self.classes]
        return {"classes": classes, "tags": [item.to_json() for item in self.tags], **self.extra}

    @cached_property
    def _class_by_title(self) -> dict[str, ClassMeta]:
        return {item.title: item for item in self.classes}

    @cached_property
    def _tag_by_name(self) -> dict[str, TagMeta]:
        return {item.name: item for item in self.tags}

    def find_class(self, title: str) -> ClassMeta | None:
        """Finds the class of that title; None when there is none."""
        return self._class_by_title.get(title)

    def find_tag(self, name: str) -> TagMeta | None:
        """Finds the tag of that name; None when there is none."""
        return self._tag_by_name.get(name)

    def with_tags(self, *names: str) -> "ProjectMeta":
        """Copies the meta and adds missing tags of these names, with value type `none`."""
        new = [TagMeta(name) for name in dict.fromkeys(names) if self.find_tag(name) is None]
        return replace(self, tags=(*self.tags, *new))


def check_encodable(name: str, *, what: str) -> None:
    r"""Checks that a name can be written as UTF-8.

    Raises:
        UserError: it holds a lone surrogate, that is half of a character; JSON can contain one as `\ud83d`.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UserError(f"the {what} {name!r} holds half of a character (a lone surrogate); rename it") from None


def _read_tags(data: Mapping[str, Any]) -> tuple[TagMeta, ...]:
    old_items = [item for key in _LEGACY_TAG_KEYS for item in _items(data, key)]
    new_items = _items(data, "tags")
    if old_items and new_items:
        raise UserError("meta.json has both `tags` and the old `tags_images`/`tags_objects`; keep one form")
    if not old_items:
        return tuple(map(TagMeta.from_json, new_items))
    merged: dict[str, TagMeta] = {}
    for tag in map(TagMeta.from_json, old_items):
        known = merged.setdefault(tag.name, tag)
        if (known.value_type, known.values) != (tag.value_type, tag.values):
            raise UserError(f"tag {tag.name!r} of `tags_images` and `tags_objects` must have one value type")
    return tuple(merged.values())


def _items(data: Mapping[str, Any], key: str) -> list[Any]:
    items = data.get(key) or []
    if not isinstance(items, list):
        raise UserError(f"`{key}` of meta.json must be a list, got {items!r:.80}")
    return items


def _text(data: Mapping[str, Any], key: str, *, what: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise UserError(f"each {what} of meta.json needs a text `{key}`, got {value!r:.80} in {dict(data)!r:.200}")
    return value


def _rest(data: Mapping[str, Any], *known: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in known}


def _check_unique(names: Sequence[str], *, what: str) -> None:
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise UserError(f"each {what} must be named once in meta.json, {repeated[0]!r} is there twice; rename one")


def _color_or_derived(color: Any, name: str) -> str:
    if isinstance(color, str) and _HEX_COLOR.fullmatch(color):
        return color
    checksum = zlib.crc32(name.encode())
    return f"#{checksum & 0xFFFFFF:06X}"  # the same in every run, unlike a random one
