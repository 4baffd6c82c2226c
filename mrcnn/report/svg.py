"""Draws charts as inline SVG: pure functions from numbers to text.

Colours come from classes and `currentColor`, so that the page's style sets them for light and dark. Each chart has its
numbers as text too: a `title` of every bar, and an `aria-label` of the whole.
"""

from collections.abc import Sequence
from html import escape

from mrcnn.errors import one_line

WIDTH = 420  # units of a chart; the page scales it
ROW, GAP, LABEL, NUMBER = 19, 5, 124, 52  # units: height of a bar, between bars, room for names and for numbers
PLOT, AXIS = 120, 30  # units: height of a histogram's bars, and of its axis
LETTERS = 16  # of a name
MOST_TICKS = 7


def bars(rows: Sequence[tuple[str, Sequence[float]]], *, parts: Sequence[str], label: str) -> str:
    """Draws a horizontal bar for each row, stacked of its parts.

    Args:
        rows: name and the value of each part; values of at least 0.
        parts: names of the parts, for the titles; the n-th part has the class `part-n`.
        label: describes the chart to a screen reader.

    Returns:
        An `svg` element; an empty text without rows.
    """
    if not rows:
        return ""
    most = max(1, *(sum(values) for _, values in rows))
    room = WIDTH - LABEL - NUMBER
    lines = []
    for place, (name, values) in enumerate(rows):
        top, left = place * (ROW + GAP), float(LABEL)
        lines.append(_text(name, x=LABEL - 8, y=top + ROW * 0.7, anchor="end"))
        for number, value in enumerate(values):
            width = room * value / most
            if value:
                title = f"{name}, {parts[number]}: {value:,}"
                lines.append(_bar(left, top, (width, ROW), title=title, part=number))
            left += width
        lines.append(_text(f"{sum(values):,}", x=left + 6, y=top + ROW * 0.7))
    return _svg(lines, height=len(rows) * (ROW + GAP) - GAP, label=label)


def histogram(
    edges: Sequence[float], counts: Sequence[int], *, label: str, marks: Sequence[tuple[float, str]] = ()
) -> str:
    """Draws counts by bins of equal width on paper, as suits a logarithmic axis.

    Args:
        edges: increasing, one more than the counts.
        counts: of each bin.
        label: describes the chart to a screen reader.
        marks: values with their names, each a vertical line; one outside the edges is left out.

    Returns:
        An `svg` element; an empty text without bins.
    """
    if not counts:
        return ""
    step, most = WIDTH / len(counts), max(1, *counts)
    lines = []
    for place, count in enumerate(counts):
        height = PLOT * count / most
        title = f"{number(edges[place])} to {number(edges[place + 1])}: {count:,}"
        lines.append(_bar(place * step + 1, PLOT - height + 14, (step - 2, height), title=title, part=0))
    every = -(-len(edges) // MOST_TICKS)
    for place in range(0, len(edges), every):
        anchor = "start" if place == 0 else "end" if place == len(edges) - 1 else "middle"
        lines.append(_text(number(edges[place]), x=place * step, y=PLOT + 30, anchor=anchor))
    lines.append(f'<path class="axis" d="M0 {PLOT + 14.5}H{WIDTH}"/>')
    for value, name in marks:
        if edges[0] <= value <= edges[-1]:
            x = _place(value, edges) * step
            anchor = "end" if x > WIDTH * 0.7 else "start"
            lines.append(f'<path class="mark" d="M{x:.1f} 4V{PLOT + 14}"/>')
            lines.append(_text(name, x=x + (-4 if anchor == "end" else 4), y=12, anchor=anchor))
    return _svg(lines, height=PLOT + AXIS + 6, label=label)


def number(value: float) -> str:
    """Writes a number with three digits at most, without an exponent: 1,230, 12.3, 0.125, 2."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _place(value: float, edges: Sequence[float]) -> float:
    """Finds a value's place on the axis in bins, between the edges linearly."""
    below = max(index for index, edge in enumerate(edges[:-1]) if edge <= value)
    return below + (value - edges[below]) / (edges[below + 1] - edges[below])


def _bar(x: float, y: float, size: tuple[float, float], *, title: str, part: int) -> str:
    width, height = size
    return (
        f'<rect class="part-{part}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}">'
        f"<title>{escape(one_line(title))}</title></rect>"
    )


def _text(text: str, *, x: float, y: float, anchor: str = "start") -> str:
    text = one_line(text)
    shown = text if len(text) <= LETTERS else text[: LETTERS - 1] + "…"
    title = "" if shown == text else f"<title>{escape(text)}</title>"
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{title}{escape(shown)}</text>'


def _svg(lines: Sequence[str], *, height: float, label: str) -> str:
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">'
    return "".join([head, *lines, "</svg>"])
