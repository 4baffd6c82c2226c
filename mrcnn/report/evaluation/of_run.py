"""Writes the report of a finished training: its best model on its validation images."""

from dataclasses import replace
from pathlib import Path

from mrcnn.config.inference import FullImageMode
from mrcnn.data.sources.source import DataPaths
from mrcnn.evaluate import run as scoring
from mrcnn.events import EventLog
from mrcnn.model_folder.layout import BEST
from mrcnn.report.evaluation import write
from mrcnn.structures import EVALUATION_SCORE_THRESHOLD
from mrcnn.train.check import Checked
from mrcnn.train.optional_files import OptionalFiles

FILE = "report.html"


def write_run(checked: Checked, output: Path, *, data: Path | DataPaths, log: EventLog) -> None:
    """Evaluates the best checkpoint of a run on the run's validation images and writes `report.html` beside it.

    A report that fails is one warning: the training is complete.

    Args:
        checked: the run, as `train.run.train` returns it.
        output: the run's output folder.
        data: the project, or the paths of data of any format, of the run.
        log: receives the progress and the messages.
    """
    config = checked.config
    loading = {"score_threshold": EVALUATION_SCORE_THRESHOLD, "precision": config.precision, "tf32": config.tf32}
    with OptionalFiles(log).attempting(f"writing {output / FILE}"):
        prepared = scoring.prepare(output / BEST, data, tag=None, names={}, loading=loading, log=log)
        validated = {sample.name for sample in checked.samples.val}
        source = prepared.source
        entries = tuple(entry for entry in source.entries if f"{entry.dataset}/{entry.name}" in validated)
        write.evaluate(
            prepared._replace(source=replace(source, entries=entries)),
            output / FILE,
            model=output / BEST,
            mode=FullImageMode(),
            batch_size=config.batch_size.val,
            log=log,
        )
