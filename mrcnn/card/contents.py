"""Collects what is known of a trained model, for its card."""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrcnn.card import facts as records
from mrcnn.card.facts import BestFacts, Measures, RunFacts
from mrcnn.config import card
from mrcnn.config.card import CardTexts
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.model_folder import layout
from mrcnn.model_folder.record import Record

HISTORY = "history.csv"  # as `train.callbacks.HISTORY`

NO_TEXTS = CardTexts()

_EPOCH = re.compile(r"\d{8}")

Row = Mapping[str, float]


@dataclass(frozen=True)
class Contents:
    """All that is known of a trained model.

    Attributes:
        folder: the model folder.
        config: its config.json.
        weights_bytes: size of its weight file; None where it is missing.
        run: output folder of the training; None for a model folder alone.
        epoch: the epoch after which the weights were written, from 1; None where it is not known.
        rows: the history, one row per epoch; only cells with a finite number.
        facts: what the run recorded; None where it recorded nothing.
        texts: the user's own texts.
    """

    folder: Path
    config: Mapping[str, Any]
    weights_bytes: int | None = None
    run: Path | None = None
    epoch: int | None = None
    rows: Sequence[Row] = ()
    facts: RunFacts | None = None
    texts: CardTexts = NO_TEXTS

    @property
    def settings(self) -> Mapping[str, Any]:
        """The train config, unchecked."""
        return mapping(self.config.get("settings"))

    @property
    def model(self) -> Mapping[str, Any]:
        """The settings of the network, unchecked."""
        return mapping(self.config.get("model"))

    @property
    def title(self) -> str:
        """Name of the card."""
        return self.texts.name or (self.run or self.folder).absolute().name

    @property
    def classes(self) -> tuple[str, ...]:
        """Titles of the classes without the background, in the order of their numbers."""
        found = {name: index for name, index in mapping(self.config.get("class_title_to_idx")).items() if index}
        return tuple(sorted(map(str, found), key=lambda name: found[name]))

    @property
    def row(self) -> Row:
        """The history's row of this epoch; empty where there is none."""
        return next((row for row in self.rows if row.get("epoch") == self.epoch), {})

    @property
    def best(self) -> BestFacts | None:
        """The recorded validation of this epoch; None where another epoch's was recorded."""
        best = self.facts.best if self.facts else None
        return best if best and best.epoch == self.epoch else None

    @property
    def metrics(self) -> Measures:
        """The validation's measures by name: all that were recorded, else those of the history."""
        validated = {name[4:]: value for name, value in self.row.items() if name.startswith("val_")}
        return {**validated, **(self.best.metrics if self.best else {})}


def collect(path: Path, *, texts: CardTexts | None = None, log: EventLog) -> Contents:
    """Collects what is known of a model.

    Args:
        path: the output folder of a training, whose `best` checkpoint is described, or a model folder.
        texts: the user's texts; None reads `card.yaml` in the output folder or the model folder, if it is there.
        log: receives a warning where a file of the run cannot be read, which is then left out.

    Raises:
        UserError: there is no model folder, its config.json cannot be read, or `card.yaml` is malformed.
    """
    if path.is_file():
        raise UserError(f"{path} must be the output folder of a training or a model folder, it is a file")
    found = layout.find_model(path)
    if found.folder is None or found.config is None:
        raise UserError(f"{path} holds no model folder; name the output folder of a training")
    folder = found.folder.resolve()
    is_of_run = any((folder.parent / name).is_file() for name in (HISTORY, records.FILE))
    run = folder.parent if is_of_run else None
    return Contents(
        folder=folder,
        config=Record.read(found.config).content,
        weights_bytes=found.weights.stat().st_size if found.weights.is_file() else None,
        run=run,
        epoch=int(folder.name) + 1 if run and _EPOCH.fullmatch(folder.name) else None,
        rows=_history(run / HISTORY, log=log) if run else (),
        facts=_facts(run / records.FILE, log=log) if run else None,
        texts=_texts(folder, run) if texts is None else texts,
    )


def mapping(value: Any) -> Mapping[str, Any]:
    """Returns a mapping; empty for a value that is none."""
    return value if isinstance(value, Mapping) else {}


def _texts(folder: Path, run: Path | None) -> CardTexts:
    places = [place / card.FILE for place in (folder, run) if place is not None]
    return next((card.read_texts(place) for place in places if place.exists()), CardTexts())


def _facts(path: Path, *, log: EventLog) -> RunFacts | None:
    if not path.exists():
        return None
    try:
        return records.read(path)
    except UserError as error:
        log.warning(f"{error}; the card is written without")
        return None


def _history(path: Path, *, log: EventLog) -> tuple[Row, ...]:
    if not path.exists():
        return ()
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return tuple(_numbers(row) for row in csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        log.warning(f"cannot read {path}: {error}; the card is written without")
        return ()


def _numbers(row: Mapping[str | None, Any]) -> Row:
    found = {}
    for name, text in row.items():
        try:
            value = float(text)
        except (TypeError, ValueError):
            continue
        if name is not None and math.isfinite(value):
            found[name] = value
    return found
