"""The measurements of a run, one row per epoch, and what is decided by them: the best epoch and when to stop."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mrcnn import files

Row = Mapping[str, Any]

MONITOR = "val_loss"  # what makes a checkpoint the best unless the config says otherwise
LEAST_PATIENCE = 5  # validated epochs


def best_index(rows: Sequence[Row], *, monitor: str = MONITOR, min_delta: float | None = None) -> int | None:
    """Finds the row with the best value; of equal ones the first.

    Args:
        rows: one per epoch.
        monitor: the column; losses should fall, everything else rise.
        min_delta: a value must be better by more than this to count; None also prefers the lower loss of equal ones.

    Returns:
        The index; None when no row has a finite value.
    """
    sign = -1.0 if monitor.endswith("loss") else 1.0
    best, best_value, best_loss = None, -math.inf, math.inf
    for index, row in enumerate(rows):
        value = row.get(monitor)
        if value is None or not math.isfinite(value):
            continue
        value, loss = sign * value, _finite(row.get(MONITOR))
        better = value > best_value + (min_delta or 0.0)
        if best is None or better or (min_delta is None and value == best_value and loss < best_loss):
            best, best_value, best_loss = index, value, loss
    return best


def _finite(value: Any) -> float:
    return value if value is not None and math.isfinite(value) else math.inf


def epochs_without_gain(rows: Sequence[Row], *, monitor: str, min_delta: float) -> int:
    """Counts the epochs since the best one; all of them when none has a finite value."""
    best = best_index(rows, monitor=monitor, min_delta=min_delta)
    return len(rows) if best is None else len(rows) - 1 - best


def is_flat(rows: Sequence[Row], *, monitor: str, min_delta: float) -> bool:
    """Tests whether the last third of the validated epochs, and at least 5 of them, brought no gain.

    A curve that still rises slowly has a new best value within that time; a share needs no guess of how long is enough.
    """
    validated = [row for row in rows if monitor in row]
    waited = epochs_without_gain(validated, monitor=monitor, min_delta=min_delta)
    return waited >= max(LEAST_PATIENCE, math.ceil(len(validated) / 3))


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """Writes the rows with all their columns, in order of appearance; the file is replaced as a whole.

    Whole numbers stay whole; NaN and missing values are empty cells.
    """
    rows = list(rows)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with files.replaced(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({column: _cell(row.get(column)) for column in columns} for row in rows)


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return "" if value is None else value
