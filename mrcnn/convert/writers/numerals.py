"""Writes coordinates as text: whole and half pixels, which repeat so often that their texts are kept."""

from collections.abc import Iterable


class _Texts(dict[float, str]):
    """The text of each number so far; there are at most two for each pixel of an image's longer side."""

    def __missing__(self, value: float) -> str:
        text = self[value] = repr(float(value))  # a whole number finds the text of the equal float, so it must be that
        return text


_TEXTS = _Texts()


def flat(values: Iterable[float]) -> str:
    """Writes a list of floats in JSON, `[1.0, 2.5]`."""
    return f"[{', '.join(map(_TEXTS.__getitem__, values))}]"


def pairs(values: Iterable[float]) -> str:
    """Writes the list x1, y1, x2, y2, … as points in JSON, `[[1.0, 2.5], [3.0, 4.0]]`."""
    inside = "], [".join(_points(values, ", "))
    return f"[[{inside}]]" if inside else "[]"


def separated(values: Iterable[float]) -> str:
    """Writes the list x1, y1, x2, y2, … as CVAT does, `1.0,2.5;3.0,4.0`."""
    return ";".join(_points(values, ","))


def _points(values: Iterable[float], separator: str) -> Iterable[str]:
    texts = list(map(_TEXTS.__getitem__, values))
    return map(separator.join, zip(texts[::2], texts[1::2], strict=True))
