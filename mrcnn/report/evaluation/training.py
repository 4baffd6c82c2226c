"""The sections of the report on the run that made the model: its settings and its learning curves."""

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from mrcnn.config.family import check_model
from mrcnn.config.load import load_json
from mrcnn.config.train import TrainConfig
from mrcnn.errors import UserError
from mrcnn.evaluate import table as metric_kinds
from mrcnn.model_folder import layout
from mrcnn.report import lines
from mrcnn.report.evaluation.sections import SHARE, soft
from mrcnn.report.html import Html, element, join, table, text
from mrcnn.report.lines import Axes, Line
from mrcnn.train import history, memory_report
from mrcnn.train.callbacks import HISTORY
from mrcnn.train.forecast import duration
from mrcnn.train.history import Row

ALWAYS = ("epochs", "lr", "batch_size.train", "input_size.min_dim", "input_size.max_dim", "weights_init_type")
COSTS = ("images_per_second", "train_seconds", memory_report.PEAK, memory_report.GPU_PEAK)  # columns of the history


class Run(NamedTuple):
    """The run that made a model.

    Attributes:
        content: of the model folder's config.json; empty without one.
        rows: of history.csv; empty without one.
        epoch: of the model, from 1; None where it is not known.
    """

    content: Mapping[str, Any]
    rows: tuple[Row, ...] = ()
    epoch: int | None = None


def find_run(model: str | Path) -> Run:
    """Reads what is known of a model's training, from its folder and the folder around it.

    Args:
        model: as for `model_folder.read.read_model`.

    Returns:
        Empty for a lone weight file or a published model; a history that cannot be read is left out.
    """
    if layout.is_release(model):
        return Run({})
    found = layout.locate(Path(model), holds=layout.CONFIG)
    if found is None or found.folder is None or found.config is None:
        return Run({})
    folder = found.folder.resolve()  # `best` and `last` are links
    name = folder.name[:8]
    epoch = int(name) + 1 if name.isdigit() and len(folder.name) == len(name) else None
    try:
        rows = history.read_csv(folder.parent / HISTORY) if (folder.parent / HISTORY).is_file() else []
    except (UserError, OSError):
        rows = []
    return Run(load_json(found.config), tuple(rows), epoch)


def settings(run: Run) -> Html:
    """Builds the settings that are not the default, and all of them to unfold."""
    given = _settings(run.content)
    if not given:
        return soft("The model has no config.json of a training.")
    default = _defaults(run.content)
    rows = [
        (name, text(_shown(value)), text(_shown(default.get(name))))  # as text: numbers among words stand left, too
        for name, value in given.items()
        if name in ALWAYS or value != default.get(name)
    ]
    content = escape(json.dumps({name: run.content.get(name) for name in ("settings", "model")}, indent=2))
    block = Html(f'<pre tabindex="0" aria-label="config.json">{content}</pre>')
    return join(
        [
            soft("The main settings, and those that are not the default."),
            table(("key", "value", "default"), rows, caption="settings"),
            element("details", element("summary", "All settings, as in config.json"), block),
        ]
    )


def learning(run: Run) -> Html:
    """Builds the learning curves: losses and validated measures by epoch, and the time."""
    rows = run.rows
    if not rows:
        return soft("There is no history.csv beside the model.")
    mark = None if run.epoch is None else (float(run.epoch), "this model")
    x_range = (1.0, float(max(2, rows[-1]["epoch"])))
    losses = [
        Line("training", _points(rows, "loss"), is_dashed=True, color=0),
        Line("validation", _points(rows, "val_loss"), color=0 if not _points(rows, "loss") else 1),
    ]
    labels = metric_kinds.labels()
    names = [name for name in labels if any(f"val_{name}" in row for row in rows)]
    measured = [Line(labels[name], _points(rows, f"val_{name}"), color=place) for place, name in enumerate(names)]
    parts = [
        element("h3", "Loss"),
        lines.chart(
            losses, Axes("epoch", "loss", x_range, _from_zero(losses), mark, is_whole=True), label="loss by epoch"
        ),
    ]
    if drawn := lines.chart(
        measured, Axes("epoch", "share", x_range, SHARE, mark, is_whole=True), label="measures by epoch"
    ):
        parts += [element("h3", "Validation"), drawn]
    shown = ["epoch", "loss", "val_loss", *(f"val_{name}" for name in names), *COSTS]
    head = [name for name in shown if any(name in row for row in rows)]
    cells = [[_cell(row.get(name)) for name in head] for row in rows]
    seconds = sum(row["train_seconds"] for row in rows if math.isfinite(row.get("train_seconds", math.nan)))
    parts.append(soft(f"{len(rows)} epochs, {duration(seconds)} of training without validation."))
    inside = table(head, cells, caption="history")
    return join([*parts, element("details", element("summary", "The figures of each epoch"), inside)])


def _settings(content: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, prefix in (("settings", ""), ("model", "model.")):
        part = content.get(name)
        found |= _flat(part, prefix) if isinstance(part, Mapping) else {}
    return found


def _defaults(content: Mapping[str, Any]) -> dict[str, Any]:
    """Collects the defaults of a train config and of the model's family."""
    model, default = content.get("model"), TrainConfig().to_settings()
    family = {"family": model["family"]} if isinstance(model, Mapping) and "family" in model else {}
    try:
        record = check_model(family, path="model")
    except UserError:  # a family that this version does not have
        return _flat(default, "")
    return _flat(default, "") | _flat(record.model_dump(mode="json"), "model.")


def _flat(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _shown(value: Any) -> str:
    return "–" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _points(rows: Sequence[Row], name: str) -> list[tuple[float, float]]:
    return [(float(row["epoch"]), float(row[name])) for row in rows if name in row]


def _from_zero(shown: Sequence[Line]) -> tuple[float, float]:
    values = [y for line in shown for _, y in line.points if math.isfinite(y)]
    return min([0.0, *values]), max([1e-9, *values])


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
