"""Turns what pydantic found wrong into one line for the user: the key, what it must be, what it is, the fix."""

import difflib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mrcnn.config.base import Settings
from mrcnn.errors import LONGEST, UserError

Record = TypeVar("Record", bound=Settings)

MOST_PROBLEMS = 10  # of one config, named in one line
MOST_LOOKED_UP = 100  # of one record
UNKNOWN = "unknown key "
LONGEST_VALUE = 60
MOST_KNOWN = 25  # words listed after an unknown one
FEW_KNOWN = 5  # likewise where it is one of several problems

_EXPECTED = {
    "int_type": "must be an integer",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "string_unicode": "must be valid Unicode text",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "missing": "must be given",
    "recursion_loop": "is nested too deeply",
}


class ConfigError(UserError):
    """What is wrong with a config: unknown keys first, as many of the others as one line holds.

    Attributes:
        problems: one clause each, those of unknown keys first.
    """

    def __init__(self, problems: Sequence[str]):
        """Joins the problems."""
        self.problems = sorted(problems, key=lambda problem: not problem.startswith(UNKNOWN))
        told, length = 0, len(" and 999 more")
        for problem in self.problems[:MOST_PROBLEMS]:
            length += len(problem) + 2
            if told and length > LONGEST:
                break
            told += 1
        left = len(self.problems) - told
        super().__init__("; ".join([*self.problems[:told], *([f"and {left} more"] if left else [])]))


def gather(*checks: Callable[[], Any]) -> list[Any]:
    """Returns what the checks return; where some raise `ConfigError`, raises one with the problems of all.

    Raises:
        ConfigError: see above. Another error passes through.
    """
    found, problems = [], []
    for run in checks:
        try:
            found.append(run())
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return found


def check(record: type[Record], values: Mapping[str, Any], *, path: str = "") -> Record:
    """Validates values as a record.

    Args:
        record: the settings class.
        values: the merged config.
        path: what the keys' names in messages begin with, e.g. `mode`.

    Raises:
        ConfigError: one line that names the wrong keys, what each must be and what it is.
    """
    try:
        return record.model_validate(values)
    except ValidationError as error:
        found = [item for item in error.errors(include_url=False) if not _is_echo(item)]
        most = MOST_KNOWN if len(found) == 1 else FEW_KNOWN
        # only the first are named; to look for what each of thousands may have meant takes long
        problems = [
            f"{UNKNOWN}`{shown_path(item['loc'], prefix=path)}`"
            if number >= MOST_LOOKED_UP and item["type"] == "extra_forbidden"
            else _describe(item, record=record, path=path, most=most)
            for number, item in enumerate(found)
        ]
        raise ConfigError(problems) from error


def shown(value: Any) -> str:
    """Returns a value as a message shows it: as JSON, escaped, on one line, cut where it is long."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def shown_path(parts: Sequence[str | int], *, prefix: str = "") -> str:
    """Returns the way to a key as `augmentation[2].args`."""
    text = prefix
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if part.isprintable() else json.dumps(part)[1:-1]
            text += f".{name}" if text else name
    return text if len(text) <= 2 * LONGEST_VALUE else text[: 2 * LONGEST_VALUE - 3] + "..."


def nearest(word: str, known: Sequence[str], *, most: int = MOST_KNOWN) -> str:
    """Returns `; did you mean ...` with the known word most like this one, else a list of the known words."""
    close = difflib.get_close_matches(word[: 2 * LONGEST_VALUE], known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean `{close[0]}`"
    more = f" and {len(known) - most} more, see docs/configuration.md" if len(known) > most else ""
    return "; known here: " + ", ".join(known[:most]) + more


def _describe(item: ErrorDetails, *, record: type[Settings], path: str, most: int) -> str:
    """Returns one problem as one clause; see `_EXPECTED` for pydantic's kinds of error."""
    kind, where, value = item["type"], item["loc"], item["input"]
    name = shown_path(where, prefix=path)
    if kind == "extra_forbidden":
        return f"{UNKNOWN}`{name}`{_hint(str(where[-1]), record=record, parents=where[:-1], path=path, most=most)}"
    if kind == "value_error":
        text = str(item["ctx"]["error"])
        if text.startswith("`"):  # the validator of a whole record names the key below it
            return f"`{name}.{text[1:]}" if name else text
        return f"`{name}` {text}"
    expected = _EXPECTED.get(kind) or item["msg"].replace("Input should be", "must be").replace("Input should", "must")
    if kind in ("too_short", "too_long"):
        limit = item["ctx"].get("min_length", item["ctx"].get("max_length"))
        expected = (
            f"must have at {'least' if kind == 'too_short' else 'most'} {limit} {'item' if limit == 1 else 'items'}"
        )
    got = "" if kind in ("missing", "recursion_loop") else f", got {shown(value)}"
    return f"`{name or 'config'}` {expected}{got}{_fix(item)}"


def _fix(item: ErrorDetails) -> str:
    kind, value = item["type"], item["input"]
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f"; write {value:.0f}"
    if kind == "multiple_of":
        step = item["ctx"]["multiple_of"]
        return f"; use {-(-value // step) * step}"
    return ""


def _is_echo(item: ErrorDetails) -> bool:
    """Tells whether a list is called too short only because its wrong items, named already, were not counted."""
    return item["type"] == "too_short" and len(item["input"]) >= item["ctx"]["min_length"]


def _hint(key: str, *, record: type[Settings], parents: Sequence[str | int], path: str, most: int) -> str:
    """Returns where an unknown key may belong: the same name elsewhere, else the nearest name at its own place."""
    elsewhere = [way for way in _all_keys(record, prefix=path) if way.rpartition(".")[2] == key]
    if elsewhere:
        return f"; did you mean `{elsewhere[0]}`"
    here: type[Settings] | None = record
    for part in parents:
        if here is not None and isinstance(part, str):
            here = _record_of(here.model_fields[part].annotation)
    return nearest(key, list(here.model_fields), most=most) if here else ""


def _all_keys(record: type[Settings], *, prefix: str = "") -> Iterator[str]:
    for name, field in record.model_fields.items():
        way = f"{prefix}.{name}" if prefix else name
        yield way
        inner = _record_of(field.annotation)
        if inner is not None and inner is not record:
            yield from _all_keys(inner, prefix=way)


def _record_of(annotation: Any) -> type[Settings] | None:
    """Returns the settings class inside an annotation such as `Inner | None` or `tuple[Inner, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    return next((found for part in get_args(annotation) if (found := _record_of(part)) is not None), None)
