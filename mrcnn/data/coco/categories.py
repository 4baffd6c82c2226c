"""Reads the categories of a COCO file: the class name of each id.

Ids are compared as text, so 1, 1.0 and "1" are the same id: some exporters write the ids as text in one place only.
Source: COCO data format; Roboflow adds a category without objects that is the parent of all others.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mrcnn.data.tally import Tally, short
from mrcnn.errors import UserError

WITHOUT_ID = "item of `categories` left out, no id"
ROOT = "item of `categories` left out, parent of others without objects of its own (the root of an exporter)"
NAMESAKE = "item of `categories` left out, no objects and the name of another category"
NAMELESS = "item of `categories` left out, neither a name nor objects"


def id_text(value: Any) -> str | None:
    """Converts an id to text, equal for equal ids.

    Returns:
        None for a value that is no id: true, null, an empty text, a list, NaN.
    """
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) and value.is_integer() else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


def read_categories(items: Sequence[Any], used: Counter[str], tally: Tally) -> dict[str, str]:
    """Reads the names of the categories.

    Args:
        items: `categories` of the file.
        used: number of objects by category id, ids in the form of `id_text`.
        tally: counts the categories left out.

    Returns:
        Id -> name, sorted by id, numbers before texts.

    Raises:
        UserError: an id occurs twice with different names, a category with objects has no name, two with objects have
            the same name, or the ids of the objects are all one too low.
    """
    names = _named_ids(items, used, tally)
    if _is_one_lower(used, names):
        raise UserError(
            f"the category ids of the objects ({_few(sorted(used, key=_order))}) are all one lower than those of "
            f"`categories` ({_few(names)}); number both alike, or every object gets a wrong class"
        )
    for key in dict.fromkeys(key for key in _roots(items) if key in names and not used[key]):
        tally.add(ROOT, f"{names.pop(key)!r} (id {key})")
    repeated = Counter(names.values())
    for key in [key for key, name in names.items() if repeated[name] > 1 and not used[key]]:
        if repeated[names[key]] > 1:
            repeated[names[key]] -= 1
            tally.add(NAMESAKE, f"{names.pop(key)!r} (id {key})")
    for name in [name for name, count in repeated.items() if count > 1][:1]:
        keys = [key for key, other in names.items() if other == name]
        raise UserError(f"{name!r} is the name of several categories (ids {_few(keys)}); rename one")
    return names


def facts_of(items: Sequence[Any], names: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Collects the other keys of each category, such as `id`, `supercategory` and LVIS's `frequency`.

    Args:
        items: `categories` of the file.
        names: from `read_categories`.

    Returns:
        Name -> value by key, in the order of `names`; of an id listed twice, the first one's.
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in names.values()}
    for item in items:
        key = id_text(item.get("id")) if isinstance(item, Mapping) else None
        if key is not None and key in names:
            rest = {name: value for name, value in item.items() if name != "name"}
            found[names[key]] = {**rest, **found[names[key]]}
    return found


def _is_one_lower(used: Counter[str], names: Mapping[str, str]) -> bool:
    """Checks whether the objects' ids are exactly the categories' ids minus one.

    Then the objects count categories from 0 and the list of categories from 1.
    """
    if len(used) < 2 or len(used) != len(names) or not all(map(_is_number, names)):
        return False
    return set(used) == {str(int(key) - 1) for key in names}


def _named_ids(items: Sequence[Any], used: Counter[str], tally: Tally) -> dict[str, str]:
    names: dict[str, str] = {}
    nameless: set[str] = set()
    for number, item in enumerate(items):
        key = id_text(item.get("id")) if isinstance(item, Mapping) else None
        if key is None:
            tally.add(WITHOUT_ID, f"number {number} of the list ({short(item)})")
            continue
        name = _name(item)
        if name is None:
            nameless.add(key)
        elif names.setdefault(key, name) != name:
            raise UserError(
                f"the category id {key} is there twice, for {names[key]!r} and for {name!r}; give each its own id"
            )
    for key in sorted(nameless - names.keys(), key=_order):
        if used[key]:
            raise UserError(f"category {key} has no name, but {used[key]} objects; give it a `name`")
        tally.add(NAMELESS, f"id {key}")
    return {key: names[key] for key in sorted(names, key=_order)}


def _name(item: Mapping[str, Any]) -> str | None:
    name = item.get("name")
    if isinstance(name, bool) or not isinstance(name, str | int | float) or not str(name).strip():
        return None
    try:
        str(name).encode()
    except UnicodeEncodeError as error:
        raise UserError(f"the category name {name!r} holds a character that cannot be written; rename it") from error
    return str(name)


def _roots(items: Sequence[Any]) -> list[str | None]:
    """Lists the ids of root categories: without a parent, but a parent of others."""
    found = [item for item in items if isinstance(item, Mapping)]
    parents = [item.get("supercategory") for item in found]
    names = {parent for parent in parents if isinstance(parent, str)} - {"none"}
    return [
        id_text(item.get("id"))
        for item, parent in zip(found, parents, strict=True)
        if parent in (None, "", "none") and isinstance(item.get("name"), str) and item["name"] in names
    ]


def _order(key: str) -> tuple[bool, float, str]:
    return (not _is_number(key), float(key) if _is_number(key) else 0, key)


def _is_number(key: str) -> bool:
    return key.removeprefix("-").isdecimal() and key.isascii() and len(key) < 300


def _few(keys: Any) -> str:
    keys = list(keys)
    return ", ".join(keys[:5]) + (", …" if len(keys) > 5 else "")
