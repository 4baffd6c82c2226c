"""History of a run, one row per epoch; finds best epoch and flat curves."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mrcnn import files
from mrcnn.errors import UserError
from mrcnn.evaluate import table

Row = Mapping[str, Any]

MONITOR = "val_loss"  # the column that decides which checkpoint is best, unless the config names another
LEAST_PATIENCE = 5  # validated epochs


def best_index(rows: Sequence[Row], *, monitor: str = MONITOR, min_delta: float | None = None) -> int | None:
    """Finds the row with the best value; of equal ones the first.

    Args:
        rows: one per epoch.
        monitor: the column. Lower is better for `val_loss` and for measures in a metric's `lower_is_better`; for all
            others higher is better.
        min_delta: a value must be better by more than this to count; None also prefers the lower `val_loss` among
            equal values.

    Returns:
        The index; None when no row has a finite value.
    """
    is_lower_better = monitor == MONITOR or monitor.removeprefix("val_") in table.lower_is_better()
    sign = -1.0 if is_lower_better else 1.0
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
    """Counts the epochs since the best one; all epochs when none has a finite value."""
    best = best_index(rows, monitor=monitor, min_delta=min_delta)
    return len(rows) if best is None else len(rows) - 1 - best


def is_flat(rows: Sequence[Row], *, monitor: str, min_delta: float) -> bool:
    """Checks whether the last third of the validated epochs, at least 5, brought no gain.

    A curve that still rises slowly has a new best value within that time. A share of the epochs suits runs of any
    length, where a fixed patience would have to be guessed.
    """
    validated = [row for row in rows if monitor in row]
    waited = epochs_without_gain(validated, monitor=monitor, min_delta=min_delta)
    return waited >= max(LEAST_PATIENCE, math.ceil(len(validated) / 3))


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """Writes the rows as CSV with all their columns; the write is atomic.

    Columns are in order of appearance. Integers stay integers; NaN and missing values are empty cells.
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


def read_csv(path: Path) -> list[Row]:
    """Reads rows that `write_csv` wrote; empty cells are left out.

    Raises:
        UserError: a cell is no number, or there is no column `epoch`.
        OSError: the file cannot be read.
    """
    with path.open(newline="", encoding="utf-8") as file:
        try:
            rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
        except (ValueError, TypeError, csv.Error) as error:
            raise UserError(f"{path} is no history of a run: {error}") from error
    if any("epoch" not in row for row in rows):
        raise UserError(f"{path} is no history of a run: the column `epoch` is missing; use a history.csv")
    return [{**row, "epoch": int(row["epoch"])} for row in rows]
