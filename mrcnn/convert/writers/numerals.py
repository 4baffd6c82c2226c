"""Writes coordinates as text: whole and half pixels, which repeat so often that their texts are kept."""

from collections.abc import Iterable, Sequence


class _Texts(dict[float, str]):
    """The text of each number so far; there are at most two for each pixel of an image's longer side."""

    def __missing__(self, value: float) -> str:
        text = self[value] = repr(value)
        return text


_TEXTS = _Texts()


def flat(values: Iterable[float]) -> str:
    """Writes a list of floats in JSON, `[1.0, 2.5]`."""
    return f"[{', '.join([_TEXTS[value] for value in values])}]"


def pairs(points: Iterable[Sequence[float]]) -> str:
    """Writes a list of points of two floats in JSON, `[[1.0, 2.5], [3.0, 4.0]]`."""
    return f"[{', '.join([f'[{_TEXTS[x]}, {_TEXTS[y]}]' for x, y in points])}]"


def separated(points: Iterable[Sequence[float]]) -> str:
    """Writes points of two floats as CVAT does, `1.0,2.5;3.0,4.0`."""
    return ";".join([f"{_TEXTS[x]},{_TEXTS[y]}" for x, y in points])
