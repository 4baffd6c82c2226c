"""Draws the first batches of a training into PNG files, without training.

Settings, data and order are found by the steps of a training itself, so that the batches are the same.
"""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from mrcnn import files
from mrcnn.config.train import TrainConfig
from mrcnn.data import pipeline, streams
from mrcnn.data.skipped import Skipped
from mrcnn.data.sources import table
from mrcnn.data.sources.source import DataPaths, Source
from mrcnn.errors import counted
from mrcnn.events import EventLog
from mrcnn.fields.table import of_model
from mrcnn.report import batches
from mrcnn.train import auto_batch, check

SUBTASK = "look"


def look(
    config: TrainConfig,
    *,
    project: Path | None = None,
    data: DataPaths | None = None,
    output: Path,
    count: int,
    model: str | None = None,
    log: EventLog,
) -> list[Path]:
    """Draws training batches.

    Args:
        config: the merged settings.
        project: a Supervisely project, or a folder that holds exactly one; needed unless `data` is given.
        data: paths of data in any format.
        output: folder of the pictures, new or empty.
        count: number of batches, from the first one of the first epoch on.
        model: start weights, as for a training: its conventions may change the size of images.
        log: receives what a training would log of its data, and the progress.

    Returns:
        The files, `epoch_0001_step_0001.png` and so on.

    Raises:
        UserError: the config or the data cannot be used for a training, or the folder cannot be written.
    """
    files.check_free(output)
    begin = check.check(config, model=model, output=output, resume=False, log=log)
    checked = auto_batch.settle(check.check_data(begin, _opener(project, data), log=log), log=log)
    samples, settings = checked.samples.train, checked.config
    skipped = Skipped(len(samples), max_share=settings.max_skipped_share, log=log)
    stream, steps = pipeline.train_dataset(samples, settings, batch_size=checked.batch_size, skipped=skipped)
    titles = {index: title for title, index in checked.samples.class_title_to_idx.items()}
    fields = of_model(samples[0].extras, settings.model)
    names = [sample.name for sample in samples]
    stuff = settings.special_classes.stuff
    output.mkdir(parents=True, exist_ok=True)
    written = []
    with skipped.surfaced():
        taken = itertools.islice(streams.arrays(stream), count)
        for number, batch in enumerate(log.track(taken, SUBTASK, count)):
            path = output / f"epoch_{number // steps + 1:04}_step_{number % steps + 1:04}.png"
            _write(path, batches.draw_batch(batch, titles=titles, names=names, fields=fields, stuff=stuff))
            written.append(path)
    log.info(f"{counted(len(written), 'picture')} of the training's first batches in {output}")
    return written


def _opener(project: Path | None, data: DataPaths | None) -> Callable[[Sequence[str]], Source]:
    if data is not None:
        return partial(table.open_source, data)
    if project is None:
        raise ValueError("give `project` or `data`")
    return lambda fields: table.FORMATS[table.PROJECT].open(DataPaths(project, fields=tuple(fields)))


def _write(path: Path, picture: np.ndarray) -> None:
    done, content = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"cannot encode a picture of shape {list(picture.shape)}")
    with files.writing("the picture", path), files.replaced(path) as partial_path:
        partial_path.write_bytes(content.tobytes())
