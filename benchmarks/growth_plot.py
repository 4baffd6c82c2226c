"""Draws the curves of `benchmarks.growth`; needs matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from benchmarks.growth import Curve, Point, exponents

COLUMNS = 4  # curves in a row of the figure
PANEL_INCHES = (3.0, 2.6)
FIELDS = {"seconds": "seconds", "added_gb": "GB above the model"}
DPI = 100


def draw(curves: Mapping[str, tuple[Curve, Sequence[Point]]], path: Path) -> None:
    """Draws seconds and memory of each curve on logarithmic axes, with a dashed line of linear growth.

    Args:
        curves: each curve with its points, at least one of each.
        path: the PNG file.
    """
    columns = min(COLUMNS, len(curves))
    bands = -(-len(curves) // columns)  # rounded up; a band has a row of seconds and one of memory
    figure = Figure(figsize=(PANEL_INCHES[0] * columns, PANEL_INCHES[1] * 2 * bands), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2 * bands, columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for index, (name, (curve, points)) in enumerate(curves.items()):
        band, column = divmod(index, columns)
        for row, (field, label) in enumerate(FIELDS.items()):
            _panel(panels[2 * band + row, column], curve, points, field=field)
            panels[2 * band + row, column].set_ylabel(label)
            exponent = exponents(curve, points, field)[0]
            panels[2 * band + row, column].set_title(f"{name}, exponent {exponent:.2f}", fontsize="medium")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI, format="png")


def _panel(axes: Axes, curve: Curve, points: Sequence[Point], *, field: str) -> None:
    values, ys = [point.value for point in points], [getattr(point, field) for point in points]
    scale = ys[-1] / curve.x(values[-1])
    axes.set_axis_on()
    axes.loglog(values, ys, "o-")
    axes.loglog(values, [curve.x(value) * scale for value in values], "--", color="gray", linewidth=1)
    axes.set_xticks(values, list(map(str, values)), rotation=45)  # 100, 200 and 500 lie close together
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(curve.label)
    axes.grid(alpha=0.3)
