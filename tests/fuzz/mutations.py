"""Damages bytes and JSON values, at random but repeatably."""

import copy
from typing import Any

import numpy as np

ODD_NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**31), 0.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf"))
ODD_TEXTS = ("", " ", "\x1b[2J", "\ud800", "a" * 10_000, "../../etc/passwd", "\0", "1", "NaN", "ü", "\u202e")
ODD_BYTES = (0, 1, 0x7F, 0x80, 0xFF)


def mutate_bytes(data: bytes, rng: np.random.Generator, *, most: int = 4) -> bytes:
    """Changes, removes, repeats or inserts bytes at one to `most` places; may cut the end off."""
    for _ in range(int(rng.integers(1, most + 1))):
        place = int(rng.integers(0, len(data) + 1))
        length = int(rng.choice([1, 1, 2, 4, 8, 64]))
        noise = bytes(rng.integers(0, 256, length, dtype=np.uint8))
        odd = bytes([int(rng.choice(ODD_BYTES))]) * length
        before, after, beyond = data[:place], data[place:], data[place + length :]
        choices = (
            before + noise + beyond,
            before + odd + beyond,
            before + beyond,
            before + after[:length] + after,
            before + noise + after,
            before,
        )
        data = choices[int(rng.integers(0, len(choices)))]
    return data


def mutate_json(value: Any, rng: np.random.Generator, *, most: int = 3) -> Any:
    """Returns a copy in which one to `most` values are replaced, removed, doubled, nested or exchanged."""
    holder = [copy.deepcopy(value)]
    for _ in range(int(rng.integers(1, most + 1))):
        places = _places(holder)
        parent, key = places[int(rng.integers(0, len(places)))]
        other_parent, other_key = places[int(rng.integers(0, len(places)))]
        match int(rng.integers(0, 6)):
            case 0 | 1:
                parent[key] = odd_value(rng)
            case 2 if parent is not holder:
                del parent[key]
            case 3 if isinstance(parent, list) and parent is not holder:
                parent.insert(int(key), copy.deepcopy(parent[key]))
            case 4:
                parent[key] = [parent[key]] if rng.random() < 0.5 else {"value": parent[key]}
            case _:
                parent[key] = copy.deepcopy(other_parent[other_key])
    return holder[0]


def odd_value(rng: np.random.Generator) -> Any:
    """Returns a value that few readers expect."""
    values = (*ODD_NUMBERS, *ODD_TEXTS, None, True, False, [], {}, [[]], [None], {"": None})
    return copy.deepcopy(values[int(rng.integers(0, len(values)))])


def _places(value: Any) -> list[tuple[Any, Any]]:
    found, waiting = [], [value]
    while waiting:
        parent = waiting.pop()
        items = parent.items() if isinstance(parent, dict) else enumerate(parent)
        for key, item in items:
            found.append((parent, key))
            if isinstance(item, dict | list):
                waiting.append(item)
    return found
