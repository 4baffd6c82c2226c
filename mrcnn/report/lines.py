"""Draws line charts as inline SVG, in the style of `svg`."""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

from mrcnn.errors import one_line
from mrcnn.report import svg
from mrcnn.report.html import Html, element, text

LEFT, RIGHT, TOP, BOTTOM = 58, 16, 20, 34  # units around the plot
PLOT = 190  # units: height of the plot
STEPS = 4  # of an axis, about
ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)  # steps of an axis, times a power of ten
COLORS = 8  # classes `part-0` to `part-7` of the page's style
MOST_DOTS = 40  # points of a line that have dots

Place = Callable[[tuple[float, float]], tuple[float, float]]  # of a point in the chart


class Line(NamedTuple):
    """A line of a chart.

    Attributes:
        name: in the legend.
        points: x and y; a point that is not finite leaves a gap.
        is_dashed: drawn in dashes.
        color: number of the colour; the legend shows the same.
    """

    name: str
    points: Sequence[tuple[float, float]]
    is_dashed: bool = False
    color: int = 0


class Axes(NamedTuple):
    """The axes of a chart.

    Attributes:
        x: name of the horizontal axis.
        y: name of the vertical axis.
        x_range: least and largest value; None for those of the points.
        y_range: the same of the vertical axis.
        mark: a horizontal value with its name, a vertical line there.
        is_whole: the horizontal values are whole numbers.
    """

    x: str
    y: str
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    mark: tuple[float, str] | None = None
    is_whole: bool = False


def chart(lines: Sequence[Line], axes: Axes, *, label: str) -> Html:
    """Draws lines with axes and a legend.

    Args:
        lines: the lines.
        axes: names and ranges of the axes.
        label: describes the chart to a screen reader.

    Returns:
        An empty text without a finite point.
    """
    known = [point for line in lines for point in line.points if _is_finite(point)]
    if not known:
        return Html("")
    (x1, x2), (y1, y2) = axes.x_range or _range([x for x, _ in known]), axes.y_range or _range([y for _, y in known])

    def place(point: tuple[float, float]) -> tuple[float, float]:
        across = (point[0] - x1) / (x2 - x1) * (svg.WIDTH - LEFT - RIGHT)
        return LEFT + across, TOP + PLOT * (1 - (point[1] - y1) / (y2 - y1))

    parts = _grid(axes, place, x_range=(x1, x2), y_range=(y1, y2))
    if axes.mark and x1 <= axes.mark[0] <= x2:
        x, _ = place((axes.mark[0], y1))
        anchor = "end" if x > svg.WIDTH * 0.6 else "start"
        parts.append(f'<path class="mark" d="M{x:.1f} {TOP}V{TOP + PLOT}"/>')
        parts.append(_text(axes.mark[1], x=x + (-4 if anchor == "end" else 4), y=TOP - 6, anchor=anchor))
    for line in lines:
        parts += _drawn(line, place)
    height = TOP + PLOT + BOTTOM
    head = f'<svg class="chart" viewBox="0 0 {svg.WIDTH} {height}" role="img" aria-label="{escape(one_line(label))}">'
    drawn = Html("".join([head, *parts, "</svg>"]))
    return Html(f"{drawn}{legend([(line.name, line.color) for line in lines])}" if len(lines) > 1 else drawn)


def legend(names: Sequence[tuple[str, int]]) -> Html:
    """Builds the keys of a chart's colours: name and number of the colour."""
    keys = [
        Html(
            f'<span><svg viewBox="0 0 1 1" aria-hidden="true"><rect class="part-{color % COLORS}" width="1" '
            f'height="1"/></svg>{text(name)}</span>'
        )
        for name, color in names
    ]
    return element("div", *keys, class_="legend")


def _drawn(line: Line, place: Place) -> list[str]:
    """Draws one line: a path for each run of finite points, and dots with their numbers."""
    color, dash = line.color % COLORS, " dashed" if line.is_dashed else ""
    steps, is_open = [], False
    for point in line.points:
        if _is_finite(point):
            x, y = place(point)
            steps.append(f"{'L' if is_open else 'M'}{x:.1f} {y:.1f}")
        is_open = _is_finite(point)
    parts = [f'<path class="line line-{color}{dash}" d="{"".join(steps)}"/>']
    if len(line.points) <= MOST_DOTS:
        for point in filter(_is_finite, line.points):
            x, y = place(point)
            title = f"{line.name}: {svg.number(point[0])}, {svg.number(point[1])}"
            parts.append(
                f'<circle class="part-{color}" cx="{x:.1f}" cy="{y:.1f}" r="2.2"><title>{escape(one_line(title))}'
                "</title></circle>"
            )
    return parts


def ticks(low: float, high: float, *, is_whole: bool = False) -> list[float]:
    """Chooses round numbers for an axis, about `STEPS` + 1 between its ends."""
    rough = 0.8 * (high - low) / STEPS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * one for one in ROUND if power * one >= rough)
    step = max(1.0, math.ceil(step)) if is_whole else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _grid(axes: Axes, place: Place, *, x_range: tuple[float, float], y_range: tuple[float, float]) -> list[str]:
    bottom, right = TOP + PLOT, svg.WIDTH - RIGHT
    parts = []
    for value in ticks(*y_range):
        _, y = place((x_range[0], value))
        parts.append(f'<path class="axis" d="M{LEFT} {y:.1f}H{right}"/>')
        parts.append(_text(svg.number(value), x=LEFT - 6, y=y + 4, anchor="end"))
    for value in ticks(*x_range, is_whole=axes.is_whole):
        x, _ = place((value, y_range[0]))
        parts.append(_text(svg.number(value), x=x, y=bottom + 14, anchor="middle"))
    parts.append(_text(axes.x, x=(LEFT + right) / 2, y=bottom + 30, anchor="middle"))
    middle = TOP + PLOT / 2
    parts.append(
        f'<text x="12" y="{middle:.1f}" text-anchor="middle" transform="rotate(-90 12 {middle:.1f})">'
        f"{escape(one_line(axes.y))}</text>"
    )
    return parts


def _text(content: str, *, x: float, y: float, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(one_line(content))}</text>'


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _is_finite(point: tuple[float, float]) -> bool:
    return all(map(math.isfinite, point))
