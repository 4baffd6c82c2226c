"""Converts pydantic's errors to one line: the key, its expected and actual value, the fix."""

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mrcnn.config.base import Settings
from mrcnn.errors import LONGEST, UserError

Record = TypeVar("Record", bound=Settings)

MOST_PROBLEMS = 10  # named in one line
MOST_LOOKED_UP = 100  # unknown keys of one record for which similar known keys are searched
UNKNOWN = "unknown key "
LONGEST_VALUE = 60
MOST_KNOWN = 25  # words listed after an unknown one
FEW_KNOWN = 5  # the same where it is one of several problems

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
    """Error of an invalid config; its one-line message names unknown keys first.

    The message names as many problems as fit in the line, and the number of the others.

    Attributes:
        problems: one clause per problem, those of unknown keys first.
    """

    def __init__(self, problems: Sequence[str]):
        """Sorts the problems and joins them to one line.

        Args:
            problems: one clause per problem.
        """
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
    """Runs several checks and reports the problems of all of them together.

    Returns:
        The results of the checks, in order.

    Raises:
        ConfigError: at least one check raised it; holds the problems of all. Other errors are passed on at once.
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


def check(
    record: type[Record],
    values: Mapping[str, Any],
    *,
    path: str = "",
    records: Mapping[str, type[Settings]] | None = None,
) -> Record:
    """Validates values as a record.

    Args:
        record: the settings class.
        values: the merged config.
        path: prefix of the keys' names in messages, e.g. `mode`.
        records: the records of keys whose values choose it, for hints; by key of `record`.

    Raises:
        ConfigError: the values are invalid; one line names the wrong keys, the expected and the actual values.
    """
    try:
        return record.model_validate(values)
    except ValidationError as error:
        found = [item for item in error.errors(include_url=False) if not _is_echo(item)]
        most = MOST_KNOWN if len(found) == 1 else FEW_KNOWN
        # only the first problems are named, and the search for similar keys is slow with thousands of unknown ones
        known = _Known(record, path, records or {})
        problems = [
            f"{UNKNOWN}`{shown_path(item['loc'], prefix=path)}`"
            if number >= MOST_LOOKED_UP and item["type"] == "extra_forbidden"
            else _describe(item, known=known, most=most)
            for number, item in enumerate(found)
        ]
        raise ConfigError(problems) from error


def shown(value: Any) -> str:
    """Formats a value for a message: escaped JSON on one line, shortened if long."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def listed(words: Iterable[str]) -> str:
    """Lists the words that a key may have, at least one: `'a', 'b' or 'c'`."""
    *first, last = map(repr, words)
    return f"{', '.join(first)} or {last}" if first else last


def shown_path(parts: Sequence[str | int], *, prefix: str = "") -> str:
    """Formats the path of a key, such as `augmentation[2].args`, shortened if long."""
    text = prefix
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if part.isprintable() else json.dumps(part)[1:-1]
            text += f".{name}" if text else name
    return text if len(text) <= 2 * LONGEST_VALUE else text[: 2 * LONGEST_VALUE - 3] + "..."


def nearest(word: str, known: Sequence[str], *, most: int = MOST_KNOWN) -> str:
    """Suggests the known word that is most similar to an unknown one.

    Returns:
        A clause for the end of a message: `; did you mean ...`, or without a similar word `; known here: ...` with at
        most `most` known words.
    """
    close = difflib.get_close_matches(word[: 2 * LONGEST_VALUE], known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean `{close[0]}`"
    more = f" and {len(known) - most} more, see docs/configuration.md" if len(known) > most else ""
    return "; known here: " + ", ".join(known[:most]) + more


class _Known(NamedTuple):
    """The keys that a config may have.

    Attributes:
        record: the config's record.
        path: prefix of the keys' names.
        chosen: the records of keys of `record` whose values choose it.
    """

    record: type[Settings]
    path: str
    chosen: Mapping[str, type[Settings]]

    def below(self, record: type[Settings], key: str) -> type[Settings] | None:
        """Finds the record of a key's value; None if the value is no record."""
        chosen = self.chosen.get(key) if record is self.record else None
        return chosen or _record_of(record.model_fields[key].annotation)

    def keys(self) -> Iterator[str]:
        """Yields the dotted names of all keys."""
        yield from self._keys(self.record, self.path)

    def _keys(self, record: type[Settings], prefix: str) -> Iterator[str]:
        for name in record.model_fields:
            way = f"{prefix}.{name}" if prefix else name
            yield way
            inner = self.below(record, name)
            if inner is not None and inner is not record:
                yield from self._keys(inner, way)


def _describe(item: ErrorDetails, *, known: _Known, most: int) -> str:
    """Formats one of pydantic's errors as one clause; `_EXPECTED` holds the words for its types."""
    kind, where, value = item["type"], item["loc"], item["input"]
    name = shown_path(where, prefix=known.path)
    if kind == "extra_forbidden":
        return f"{UNKNOWN}`{name}`{_hint(str(where[-1]), known=known, parents=where[:-1], most=most)}"
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
    """Checks whether a "too short" error only follows from a list's invalid items.

    Pydantic does not count invalid items, each of which has an error of its own.
    """
    return item["type"] == "too_short" and len(item["input"]) >= item["ctx"]["min_length"]


def _hint(key: str, *, known: _Known, parents: Sequence[str | int], most: int) -> str:
    """Suggests a replacement for an unknown key, as the end of a message.

    It is a key of the same name elsewhere in the record, else the most similar key beside the unknown one.
    """
    elsewhere = [way for way in known.keys() if way.rpartition(".")[2] == key]
    if elsewhere:
        return f"; did you mean `{elsewhere[0]}`"
    here: type[Settings] | None = known.record
    for part in parents:
        if here is not None and isinstance(part, str):
            here = known.below(here, part)
    return nearest(key, list(here.model_fields), most=most) if here else ""


def _record_of(annotation: Any) -> type[Settings] | None:
    """Finds the settings class inside an annotation such as `Inner | None` or `tuple[Inner, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    return next((found for part in get_args(annotation) if (found := _record_of(part)) is not None), None)
