"""Runs a training from its config in three steps: check, build, fit."""

import json
import zlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras

import mrcnn
from mrcnn import locks, optional
from mrcnn.config import errors
from mrcnn.config.base import AUTO
from mrcnn.config.train import TrainConfig
from mrcnn.data.sources import table
from mrcnn.data.sources.source import DataPaths, Source
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.train import auto_batch, build, check, devices, fit, trackers
from mrcnn.train import state as states
from mrcnn.train.build import Built
from mrcnn.train.check import Checked
from mrcnn.train.devices import Devices
from mrcnn.train.workers import cluster, followers
from mrcnn.train.workers.peers import ALONE, Peers


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
    workers: cluster.Cluster | None = None,
) -> Checked | None:
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
            the logs hold `val_loss` and the other figures. Of several workers, the chief alone calls them.
        workers: several processes that train together, from `workers.cluster.find`; each calls this function with the
            same arguments. None, or a single worker: this process trains alone.

    Returns:
        The settings, the samples and the devices of the run; None where a resumed run was complete already, and in
        workers other than the chief.

    Raises:
        UserError: a setting or a path is wrong (raised before any data is read), the data cannot be used, another run
            writes to the output, or a loss is NaN or infinite.
        OutOfMemory: a batch does not fit into memory; the message has its size and what to lower.
        Stopped: Ctrl-C or SIGTERM came and the run is saved; a `SystemExit` of code 128 + signal.
        LostWorker: another worker ended or cannot be reached.
    """
    for own in callbacks:
        if not isinstance(own, keras.callbacks.Callback):
            raise UserError(f"`callbacks` must hold keras.callbacks.Callback objects, got {errors.shown(own)}")
    source = _opener(project_dir, data)
    if config.energy_country is not None:
        optional.require("energy", purpose="`energy_country`")
    trackers.require(config.trackers)
    output, joined = Path(output_dir), _join(config, workers, log=log)
    peers = joined.peers if joined else ALONE
    steps_log = followers.log_of(log, peers, level="warn")  # of images that a worker skips
    log = followers.log_of(log, peers, level="error")  # before the steps, all workers would write the same warnings
    lock = locks.inside(output, warn=log.warning) if peers.leads else nullcontext()
    with peers.surviving(), lock:
        begin = _check(config, peers, model=model, output=output, resume=resume, log=log)
        if begin.resumed and begin.resumed.state.epoch >= config.epochs:
            log.info(f"nothing to do: {begin.resumed.state.epoch} of {config.epochs} epochs are made; raise `epochs`")
            return None
        checked = check.check_data(begin, source, log=log, joined=joined)
        if joined and checked.config.batch_size.train == AUTO:
            raise UserError("`batch_size.train` must be a number with several workers, got auto")
        checked = auto_batch.settle(checked, log=log)
        built = build.build_run(checked, output, log=log)
        if joined:
            peers.check_equal(_facts(checked, built))
        fit.fit_run(checked, built, own=callbacks, log=steps_log)
        return checked if peers.leads else None


def _join(config: TrainConfig, workers: cluster.Cluster | None, *, log: EventLog) -> Devices | None:
    """Joins the other workers; None where there are none."""
    if workers is None or workers.count == 1:
        return None
    return devices.join(check.listed_gpus(config), workers, warn=log.warning, note=log.info)


def _check(
    config: TrainConfig, peers: Peers, *, model: str | None, output: Path, resume: bool, log: EventLog
) -> check.Start:
    """Checks the settings, in the chief first: the others must find its output folder repaired."""
    if not peers.leads:
        peers.most(0)
    begin = check.check(config, model=model, output=output, resume=resume, log=log, leads=peers.leads)
    if peers.leads:
        peers.most(0)
    return begin


def _facts(checked: Checked, built: Built) -> dict[str, object]:
    """Collects what must be equal in all workers."""
    state, settings = built.state, checked.config.to_settings() | {"gpu_devices": None}
    settings = {"settings": settings, "model": checked.config.model.model_dump(mode="json")}
    weights = 0
    for value in states.values_of(built.network.variables):
        weights = zlib.crc32(value.tobytes(), weights)
    return {
        "a version": mrcnn.__version__,
        "settings": zlib.crc32(json.dumps(settings, sort_keys=True).encode()),
        "training images": [state.train_images, state.train_names, state.steps_per_epoch],
        "validation images": [state.val_images, state.val_names],
        "classes": checked.samples.class_title_to_idx,
        "a position": [state.epoch, state.step],
        "start weights": weights,
    }


def _opener(project_dir: str | Path | None, data: DataPaths | None) -> Callable[[Sequence[str]], Source]:
    if project_dir is not None and data is None:
        project = DataPaths(Path(project_dir))
        return lambda fields: table.FORMATS[table.PROJECT].open(replace(project, fields=tuple(fields)))
    if data is not None and project_dir is None:
        return partial(table.open_source, data)
    raise UserError(f"give either `project_dir` or `data`, got {project_dir} and {data}")
