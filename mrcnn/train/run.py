"""Runs a training from its config in three steps: check, build, fit."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras

from mrcnn import locks, optional
from mrcnn.config import errors
from mrcnn.config.train import TrainConfig
from mrcnn.data.sources import table
from mrcnn.data.sources.source import DataPaths, Source
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.train import auto_batch, build, check, fit, trackers


def train(
    config: TrainConfig,
    *,
    project_dir: str | Path | None = None,
    data: DataPaths | None = None,
    output_dir: str | Path,
    log: EventLog,
    model: str | None = None,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> check.Checked | None:
    """Trains a Mask R-CNN on a project, or on annotated images of another format.

    The output folder receives a checkpoint per epoch with the links `best` and `last` (see `train.checkpoint`),
    `history.csv`, `curves.png` and `tensorboard/`.

    Args:
        config: the merged settings.
        project_dir: a Supervisely project, or a folder that holds exactly one; needed unless `data` is given.
        data: paths of data in any format of `data.sources.table`, instead of a project.
        output_dir: created when it does not exist; must hold no other run's checkpoints, except with `resume`.
        log: receives all messages, figures and progress.
        model: start weights: a model folder, a weight file, `coco` or the name of a published model; needed for
            `weights_init_type` `transfer_learning` and `continue_training`.
        resume: whether to resume from the newest checkpoint; the config may then differ only in `epochs`,
            `gpu_devices`, `jit_compile`, `tf32`, `checkpoints`, `max_image_mb`, `energy_country`, `trackers` and,
            between two epochs, `batch_size`.
        callbacks: callbacks of your own, called after the run's checkpoint is written; where the epoch was validated,
            the logs hold `val_loss` and the other figures.

    Returns:
        The settings, the samples and the devices of the run; None where a resumed run was complete already.

    Raises:
        UserError: a setting or a path is wrong (raised before any data is read), the data cannot be used, another run
            writes to the output, or a loss is NaN or infinite.
        OutOfMemory: a batch does not fit into memory; the message has its size and what to lower.
        Stopped: Ctrl-C or SIGTERM came and the run is saved; a `SystemExit` of code 128 + signal.
    """
    for own in callbacks:
        if not isinstance(own, keras.callbacks.Callback):
            raise UserError(f"`callbacks` must hold keras.callbacks.Callback objects, got {errors.shown(own)}")
    open_source = _opener(project_dir, data)
    if config.energy_country is not None:
        optional.require("energy", purpose="`energy_country`")
    trackers.require(config.trackers)
    output = Path(output_dir)
    with locks.inside(output, warn=log.warning):
        begin = check.check(config, model=model, output=output, resume=resume, log=log)
        if begin.resumed and begin.resumed.state.epoch >= config.epochs:
            log.info(f"nothing to do: {begin.resumed.state.epoch} of {config.epochs} epochs are made; raise `epochs`")
            return None
        checked = check.check_data(begin, open_source, log=log)
        checked = auto_batch.settle(checked, log=log)
        built = build.build_run(checked, output, log=log)
        fit.fit_run(checked, built, own=callbacks, log=log)
        return checked


def _opener(project_dir: str | Path | None, data: DataPaths | None) -> Callable[[Sequence[str]], Source]:
    if project_dir is not None and data is None:
        project = DataPaths(Path(project_dir))
        return lambda fields: table.FORMATS[table.PROJECT].open(replace(project, fields=tuple(fields)))
    if data is not None and project_dir is None:
        return partial(table.open_source, data)
    raise UserError(f"give either `project_dir` or `data`, got {project_dir} and {data}")
