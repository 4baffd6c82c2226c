"""Keeps, beside a config's values, which of its keys the user gave.

Some keys that a config leaves out are found in the data or taken over from the start weights. A default that was filled
in must therefore differ from the same value given by the user.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from pydantic import ModelWrapValidatorHandler, PrivateAttr, model_validator

from mrcnn.config.base import Settings


class UserSettings(Settings):
    """Settings of a whole config: the values, and beside them the keys that the user gave.

    The keys are recorded when the values are validated. Copies keep the record: `model_copy` adds no key to it.
    """

    _given: frozenset[str] = PrivateAttr(default=frozenset())

    @property
    def given(self) -> frozenset[str]:
        """The dotted keys that the user gave, such as `model` and `model.backbone`."""
        return self._given

    def also_given(self, keys: Iterable[str]) -> Self:
        """Copies the settings with further keys that count as given.

        Args:
            keys: dotted keys.
        """
        copy = self.model_copy()
        copy._given = self._given.union(keys)
        return copy

    @model_validator(mode="wrap")
    @classmethod
    def _record_given(cls, values: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        settings = check(values)
        if isinstance(values, Mapping):
            settings._given = frozenset(dotted_keys(values))
        return settings


def dotted_keys(values: Mapping[str, Any]) -> Iterator[str]:
    """Yields the dotted key of every value in a config.

    Objects count as values too; lists are not searched.

    Args:
        values: the config; a record in it counts with all its fields.
    """
    for key, value in values.items():
        yield key
        below = dict(value) if isinstance(value, Settings) else value
        if isinstance(below, Mapping):
            yield from (f"{key}.{way}" for way in dotted_keys(below))
