"""Plots the curves of a run."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mrcnn import files
from mrcnn.evaluate import table
from mrcnn.train.history import MONITOR, Row, best_index

NO_LABELS: Mapping[str, str] = {}
SIZE_INCHES = (15.0, 4.6)
DPI = 100


def draw_curves(
    rows: Sequence[Row], path: Path, *, monitor: str = MONITOR, labels: Mapping[str, str] = NO_LABELS
) -> None:
    """Plots total loss, its parts and average precision over the epochs as a PNG.

    Args:
        rows: the history, one row per epoch and at least one; missing and NaN values leave gaps.
        path: the PNG file; the write is atomic.
        monitor: the column that decides which epoch is marked as the best.
        labels: legend texts of losses by name, in the order of the legend; a loss without one follows them under its
            own name.
    """
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    total, parts, precision = figure.subplots(1, 3)
    epochs = [row["epoch"] for row in rows]
    for axes in (total, parts, precision):
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    _draw_total(total, rows, epochs, best=best_index(rows, monitor=monitor))
    names = _loss_names(rows, labels)
    for name, color in zip(names, _colors(len(names)), strict=True):
        _line(parts, epochs, _column(rows, name), color=color, style="--")
        _line(parts, epochs, _column(rows, f"val_{name}"), color=color, label=labels.get(name, name))
    _finish(parts, "Losses: validation, training dashed", ylabel="loss")
    shown = [
        _line(precision, epochs, _column(rows, f"val_{name}"), label=label) for name, label in table.labels().items()
    ]
    if any(shown):
        precision.set_ylim(-0.02, 1.02)
        _finish(precision, "Validation average precision", ylabel="AP")
    else:
        precision.set_axis_off()
    with files.replaced(path) as partial:
        figure.savefig(partial, dpi=DPI, format="png")


def _draw_total(axes: Axes, rows: Sequence[Row], epochs: Sequence[float], *, best: int | None) -> None:
    _line(axes, epochs, _column(rows, "loss"), label="training", style="--")
    validation = _column(rows, "val_loss")
    _line(axes, epochs, validation, label="validation")
    if best is not None:
        axes.plot(
            epochs[best], validation[best], "o", color="black", fillstyle="none", label=f"best, epoch {epochs[best]}"
        )
    _finish(axes, "Total loss", ylabel="loss")


def _loss_names(rows: Sequence[Row], labels: Mapping[str, str]) -> list[str]:
    """Lists the heads' losses that the history has, those with a label first."""
    names = dict.fromkeys(name.removeprefix("val_") for row in rows for name in row if name.endswith("_loss"))
    for name in ("l2_loss", "loss", *table.labels()):  # `loss` of val_loss, and measures of metrics
        names.pop(name, None)
    return [*(name for name in labels if name in names), *(name for name in names if name not in labels)]


def _column(rows: Sequence[Row], name: str) -> list[float]:
    return [float(value) if (value := row.get(name)) is not None else math.nan for row in rows]


def _line(
    axes: Axes,
    epochs: Sequence[float],
    values: Sequence[float],
    *,
    label: str | None = None,
    color: str | None = None,
    style: str = "-",
) -> bool:
    """Draws one curve, with dots where it has gaps or a single point.

    Returns:
        Whether the curve has any point.
    """
    known = sum(map(math.isfinite, values))
    if known:
        dots = "o" if known == 1 or known < len(values) else None
        axes.plot(epochs, values, style, marker=dots, markersize=4, color=color, label=label)
    return known > 0


def _finish(axes: Axes, title: str, *, ylabel: str) -> None:
    axes.set_title(title)
    axes.set_xlabel("epoch")
    axes.set_ylabel(ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    if ylabel == "loss":
        low, high = axes.get_ylim()
        axes.set_ylim(min(0.0, low), high + 0.02 * (high - min(0.0, low)))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)


def _colors(count: int) -> list[str]:
    return [f"C{index}" for index in range(count)]
