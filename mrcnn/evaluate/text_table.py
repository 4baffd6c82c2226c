"""The table of an evaluation for people."""

import math
from collections.abc import Sequence
from typing import Any

from mrcnn.evaluate import groups as class_groups
from mrcnn.evaluate import table
from mrcnn.evaluate.metric import GROUPS, PER_CLASS


def text_table(metrics: dict[str, Any], *, width: int | None = None) -> str:
    """Formats the metrics as a text table.

    Args:
        metrics: from `run.evaluate`.
        width: letters of a line; a wider table is divided into several. None for no limit.

    Returns:
        A row per class, one for all classes, and one per group; `-` where there is nothing to measure.
    """
    columns = [name for name in table.columns() if name in metrics]
    rows = [("", "objects", "found", *columns)]
    per_class = metrics[PER_CLASS]
    for title, values in per_class.items():
        rows.append((title, values["objects"], values["detections"], *(_cell(values.get(name)) for name in columns)))
    sums = (sum(values[key] for values in per_class.values()) for key in ("objects", "detections"))
    rows.append(("all", *sums, *(_cell(metrics[name]) for name in columns)))
    for group, values in metrics.get(GROUPS, {}).items():
        counts = (values.get(key, 0) for key in class_groups.COUNTS)
        rows.append((group, *counts, *(_cell(values.get(name)) for name in columns)))
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    return "\n\n".join(
        "\n".join(
            "  ".join([f"{row[0]:<{widths[0]}}", *(f"{row[column]:>{widths[column]}}" for column in part)])
            for row in rows
        )
        for part in _parts(widths, most=width)
    )


def _parts(widths: Sequence[int], *, most: int | None) -> list[list[int]]:
    """Divides the columns of a table, without the first, which all parts have; at least one column a part."""
    parts: list[list[int]] = [[]]
    for column in range(1, len(widths)):
        used = widths[0] + sum(2 + widths[other] for other in (*parts[-1], column))
        if parts[-1] and most is not None and used > most:
            parts.append([])
        parts[-1].append(column)
    return parts


def _cell(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"
