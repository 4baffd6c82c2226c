"""What a training run records for its model card, in the file `run.json` of its output folder."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from mrcnn import files
from mrcnn.errors import UserError

FILE = "run.json"
MOST_BYTES = 2**26
Measures = Mapping[str, float | None]  # None where there is nothing to measure


class _Record(BaseModel):
    """A part of the file; keys of later versions are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ClassCounts(_Record):
    """Numbers of a class's objects to learn, and of the images that have one, in both sets."""

    train_objects: int = 0
    train_images: int = 0
    val_objects: int = 0
    val_images: int = 0


class DataFacts(_Record):
    """The data of a run.

    Attributes:
        name: of the data.
        train_images: images of the training set.
        val_images: images of the validation set.
        classes: numbers by title of the class, without the background.
        ignored: regions to ignore in both sets.
        smallest: height and width of the image with the fewest pixels; None where no annotation has a size.
        largest: the same with the most pixels.
        shared: images that are in both sets.
    """

    name: str = ""
    train_images: int = 0
    val_images: int = 0
    classes: Mapping[str, ClassCounts] = {}
    ignored: int = 0
    smallest: tuple[int, int] | None = None
    largest: tuple[int, int] | None = None
    shared: int = 0


class Gpu(_Record):
    """A GPU of a run, and its power limit in watts; None where the driver does not report it."""

    name: str
    watts: float | None = None


class Machine(_Record):
    """A computer: name of its CPU, cores that the run may use, memory in GB, GPUs in use."""

    cpu: str | None = None
    cores: int | None = None
    memory_gb: float | None = None
    gpus: tuple[Gpu, ...] = ()


class Energy(_Record):
    """Measured or modelled energy of a process.

    Attributes:
        kwh: kilowatt hours.
        kg_co2: kilograms of CO2 equivalents.
        source: the program.
        country: ISO code of the country whose electricity is assumed.
    """

    kwh: float
    kg_co2: float
    source: str
    country: str


class Process(_Record):
    """One process that trained the run, from its start to its end.

    Attributes:
        began: time of the start, ISO 8601, UTC.
        seconds: until its last sign of life.
        epochs: how many it completed.
        machine: the computer.
        energy: None where it was not measured.
    """

    began: str
    seconds: float = 0.0
    epochs: int = 0
    machine: Machine = Machine()
    energy: Energy | None = None


class Picture(_Record):
    """An example: the file in the run's folder, and the name of the validation image."""

    file: str
    image: str


class BestFacts(_Record):
    """The validation of the best epoch.

    Attributes:
        epoch: from 1.
        metrics: all measures by name.
        per_class: the same by title of the class.
        pictures: drawn examples.
        score_threshold: detections below it are not drawn.
    """

    epoch: int
    metrics: Measures = {}
    per_class: Mapping[str, Measures] = {}
    pictures: tuple[Picture, ...] = ()
    score_threshold: float | None = None


class RunFacts(_Record):
    """All that a run records.

    Attributes:
        data: its data.
        parameters: numbers of the model's weights.
        trained_parameters: of which are trained.
        software: versions by name.
        processes: the processes that trained, in order; a resumed run has several.
        is_complete: whether no earlier process is missing.
        skipped_train: training images that could not be read.
        skipped_val: the same of the validation images.
        best: the best epoch so far; None before the first validation.
    """

    data: DataFacts = DataFacts()
    parameters: int | None = None
    trained_parameters: int | None = None
    software: Mapping[str, str] = {}
    processes: tuple[Process, ...] = ()
    is_complete: bool = True
    skipped_train: int = 0
    skipped_val: int = 0
    best: BestFacts | None = None

    @property
    def hours(self) -> float:
        """Hours of all processes together."""
        return sum(process.seconds for process in self.processes) / 3600


def read(path: Path) -> RunFacts:
    """Reads the file.

    Raises:
        UserError: it is missing, unreadable or malformed.
    """
    content = files.read_bytes(path, what="record of the run", most=MOST_BYTES)
    try:
        return RunFacts.model_validate_json(content)
    except ValidationError as error:
        where = ".".join(map(str, error.errors(include_url=False)[0]["loc"])) or "it is no JSON object"
        raise UserError(f"the record of the run {path} is damaged ({where}); remove it") from error


def write(path: Path, facts: RunFacts) -> None:
    """Writes the file; the write is atomic.

    Raises:
        OSError: it cannot be written.
    """
    text = json.dumps(facts.model_dump(mode="json"), indent=1, ensure_ascii=False)
    with files.replaced(path) as partial:
        partial.write_text(text, encoding="utf-8")


def finite(measures: Mapping[str, Any]) -> dict[str, float | None]:
    """Selects the numbers of a metric's result; one that is not finite becomes None."""
    return {
        name: float(value) if math.isfinite(value) else None
        for name, value in measures.items()
        if isinstance(value, (int, float))
    }
