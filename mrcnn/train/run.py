"""Runs a training from its config."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import tensorflow as tf

from mrcnn import locks, optional
from mrcnn.config import errors
from mrcnn.config.base import AUTO
from mrcnn.config.train import TrainConfig
from mrcnn.data import classes, pipeline
from mrcnn.data.order import steps_per_epoch
from mrcnn.data.skipped import Skipped
from mrcnn.data.sources import supervisely
from mrcnn.data.sources.supervisely import ProjectSamples
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.model_folder import precision, write
from mrcnn.model_folder.read import output_rules
from mrcnn.models import extra_heads
from mrcnn.project.reader import Project
from mrcnn.train import brightness, build, callbacks, check, checkpoint, devices, extras, loop, objects, plan, rates
from mrcnn.train import resume as resuming
from mrcnn.train.check import Start
from mrcnn.train.clock import Clock
from mrcnn.train.devices import Devices
from mrcnn.train.forecast import Forecast
from mrcnn.train.interrupt import StopRequest
from mrcnn.train.invalid_loss import InvalidLossStop
from mrcnn.train.state import TrainingState
from mrcnn.train.validation import ApScorer, Validation, is_due

TENSORBOARD = "tensorboard"
QUICK_SIDE = 256  # pixels, side of a model input that a CPU trains in an evening
QUICKER = "; presets/train_cpu_evening.json is quicker on a CPU"
OPTIMIZER_COPIES = {"sgd": 1, "adam": 2, "adamw": 2}


def train(
    config: TrainConfig,
    *,
    project_dir: str | Path,
    output_dir: str | Path,
    log: EventLog,
    model: str | None = None,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Trains a Mask R-CNN on a project.

    The output folder receives a checkpoint per epoch with the links `best` and `last` (see `train.checkpoint`),
    `history.csv`, `curves.png` and `tensorboard/`.

    Args:
        config: the merged settings.
        project_dir: a Supervisely project, or a folder that holds exactly one.
        output_dir: created when it does not exist; must hold no other run's checkpoints, except with `resume`.
        log: receives all messages, figures and progress.
        model: start weights: a model folder, an .h5 file, or `coco`; needed for `weights_init_type`
            `transfer_learning` and `continue_training`.
        resume: whether to resume from the newest checkpoint; the config may then differ only in `epochs`,
            `gpu_devices`, `checkpoints` and `max_image_mb`.
        callbacks: callbacks of your own, called after the run's checkpoint is written; where the epoch was validated,
            the logs hold `val_loss` and the other figures.

    Raises:
        UserError: a setting or a path is wrong (raised before any data is read), the data cannot be used, another run
            writes to the output, or a loss is NaN or infinite.
        Stopped: Ctrl-C or SIGTERM came and the run is saved; a `SystemExit` of code 128 + signal.
    """
    for own in callbacks:
        if not isinstance(own, keras.callbacks.Callback):
            raise UserError(f"`callbacks` must hold keras.callbacks.Callback objects, got {errors.shown(own)}")
    with locks.inside(output_dir, warn=log.warning):
        _train(config, Path(project_dir), Path(output_dir), log=log, model=model, resume=resume, own=tuple(callbacks))


def _train(
    config: TrainConfig,
    project_dir: Path,
    output: Path,
    *,
    log: EventLog,
    model: str | None,
    resume: bool,
    own: tuple[keras.callbacks.Callback, ...],
) -> None:
    begin = check.check(config, model=model, output=output, resume=resume, log=log)
    config = begin.config
    if begin.resumed and begin.resumed.state.epoch >= config.epochs:
        log.info(f"nothing to do: {begin.resumed.state.epoch} of {config.epochs} epochs are made; raise `epochs`")
        return
    project = Project.open(project_dir)
    chosen = devices.choose(_listed_gpus(config), warn=log.warning)
    config = _with_precision(config, chosen, resumed=resume, log=log)
    if chosen.count > 1 and config.model.uses_batch_statistics:
        log.warning("`model.batch_norm` trained: each device normalises by its own part of the batch, so keep it large")
    mapping = _classes(config, project, begin)
    samples = _load_samples(config, project, mapping, log=log)
    config = objects.check(config, samples, log=log)
    if begin.resumed is None:
        config = brightness.check(config, samples, log=log)
    state = _start_state(config, samples, devices_count=chosen.count, begin=begin, log=log)
    keras.utils.set_random_seed(config.seed)
    network = build.build_network(config, mapping, chosen=chosen, begin=begin, state=state, log=log)
    _print_plan(config, samples, network, chosen=chosen, output=output, log=log)
    store = checkpoint.CheckpointStore(
        output,
        layout=network.weight_layout(),
        config=write.folder_config(
            project.meta,
            mapping,
            settings=config.to_settings(),
            model=config.model.model_dump(mode="json"),
            background=config.special_classes.background,
        ),
        keep=config.checkpoints.keep,
    )
    _fit(config, network, samples=samples, store=store, state=state, chosen=chosen, own=own, log=log)


def _classes(config: TrainConfig, project: Project, begin: Start) -> dict[str, int]:
    special = config.special_classes
    titles = [item.title for item in project.meta.classes]
    if begin.classes is None:
        return classes.class_mapping(titles, special.background, special.neutral)
    return classes.reuse_mapping(begin.classes, titles, background=special.background, neutral=special.neutral)


def _listed_gpus(config: TrainConfig) -> Sequence[int] | None:
    return config.gpu_devices if "gpu_devices" in config.given else None


def _with_precision(config: TrainConfig, chosen: Devices, *, resumed: bool, log: EventLog) -> TrainConfig:
    """Replaces `auto` by the precision of this machine, which checkpoints store too."""
    if config.precision == AUTO:
        found = precision.resolve(config.precision)
        log.info(str(found))
        return config.model_copy(update={"precision": found.policy})
    if config.precision == precision.BRAIN and devices.lacks_bfloat16(chosen):
        advice = "; a resumed run keeps its precision, so go on where it began or start anew" if resumed else ""
        log.warning(f"this CPU has no bfloat16 instructions: `precision` float32 is many times faster here{advice}")
    return config


def _load_samples(
    config: TrainConfig, project: Project, mapping: Mapping[str, int], *, log: EventLog
) -> ProjectSamples:
    return supervisely.load_samples(
        project,
        train_tag=config.dataset_tags.train,
        val_tag=config.dataset_tags.val,
        background=config.special_classes.background,
        neutral=config.special_classes.neutral,
        class_title_to_idx=mapping,
        max_skipped_share=config.max_skipped_share,
        log=log,
        fields=extra_heads.needs(config.model.extra_heads),
    )


def _start_state(
    config: TrainConfig, samples: ProjectSamples, *, devices_count: int, begin: Start, log: EventLog
) -> TrainingState:
    steps = steps_per_epoch(len(samples.train), config.batch_size.train * devices_count)
    new = TrainingState(epoch=0, step=0, steps_per_epoch=steps, train_images=len(samples.train), seed=config.seed)
    if begin.resumed is None:
        return new
    state = begin.resumed.state
    changed = resuming.check_data(state, steps_per_epoch=steps, train_images=len(samples.train))
    if changed:
        log.warning(changed)
    if config.lr_schedule.name == "cosine" and begin.resumed.epochs not in (None, config.epochs):
        log.warning(
            f"`epochs` was {begin.resumed.epochs} and is {config.epochs} now: the cosine ends elsewhere, so the "
            "learning rate jumps here"
        )
    log.info(f"resuming {begin.resumed.weights.parents[1]}: epoch {state.epoch + 1}, step {state.step} of {steps}")
    return replace(state, steps_per_epoch=steps, train_images=len(samples.train))


def _fit(
    config: TrainConfig,
    network: keras.Model,
    *,
    samples: ProjectSamples,
    store: checkpoint.CheckpointStore,
    state: TrainingState,
    chosen: Devices,
    own: tuple[keras.callbacks.Callback, ...],
    log: EventLog,
) -> None:
    count = chosen.count
    batch_size, extra = config.batch_size.train * count, extras.Extras(log)
    skipped = Skipped(len(samples.train), max_share=config.max_skipped_share, log=log)
    skipped_val = Skipped(len(samples.val), max_share=config.max_skipped_share, log=log)

    def open_data(epoch: int, step: int) -> tf.data.Dataset:
        return pipeline.train_dataset(
            samples.train, config, batch_size=batch_size, skipped=skipped, start_epoch=epoch, start_step=step
        )[0]

    def names_at(epoch: int, step: int) -> Sequence[str]:
        batch = next(iter(open_data(epoch, step)))
        return [samples.train[index].name for index in batch["image_ids"].numpy()]

    with StopRequest() as request, skipped.surfaced(), skipped_val.surfaced():
        clock = Clock(state)
        stop = callbacks.SignalStop(clock, request=request, store=store, log=log)
        validation = Validation(
            pipeline.val_dataset(samples.val, config, batch_size=config.batch_size.val, skipped=skipped_val),
            names=[sample.name for sample in samples.val],
            log=log,
            scorer=_scorer(config, samples) if config.validation.ap else None,
            check=stop.check,
            due=lambda epoch: is_due(epoch, every=config.validation.every_epochs, epochs=config.epochs),
        )
        chain = [
            clock,
            InvalidLossStop(clock, names_at=names_at),
            _report(config, clock, samples, chosen=chosen, log=log),
            validation,
            callbacks.Recorder(
                clock, folder=store.root, batch_size=batch_size, log=log, extras=extra, monitor=config.best_monitor
            ),
            callbacks.CheckpointSaver(clock, store=store, log=log, monitor=config.best_monitor),
            *_tensorboard(store.root / TENSORBOARD, extra, log=log),
            *own,
        ]
        early = _early_stop(config, clock, log=log)
        if early and early.is_due:
            log.info("nothing to do: the run was ended by `early_stopping`")
            return
        chain += [early, stop] if early else [stop]
        loop.fit(network, open_data, clock=clock, callbacks=chain, epochs=config.epochs)
    for collected in (skipped, skipped_val):
        if collected:
            log.warning(collected.summary())
    best, curves = store.root / checkpoint.BEST, store.root / callbacks.CURVES
    log.info(
        plan.last_line(clock.rows, monitor=config.best_monitor, best=best, curves=curves if curves.is_file() else None)
    )


def _report(
    config: TrainConfig, clock: Clock, samples: ProjectSamples, *, chosen: Devices, log: EventLog
) -> callbacks.ProgressReport:
    batch_size = config.batch_size.train * chosen.count
    forecast = Forecast(
        steps_per_epoch=clock.steps_per_epoch,
        epochs=config.epochs,
        val_images=len(samples.val),
        batch_size=batch_size,
        validate_every=config.validation.every_epochs,
    )
    is_slow = chosen.names[0].startswith("CPU") and config.input_size.max_dim > QUICK_SIDE
    advice = QUICKER if is_slow else ""
    return callbacks.ProgressReport(clock, batch_size=batch_size, log=log, forecast=forecast, advice=advice)


def _scorer(config: TrainConfig, samples: ProjectSamples) -> ApScorer:
    return ApScorer(
        lambda image_id: pipeline.ground_truth(samples.val[image_id]),
        class_names=list(samples.class_title_to_idx),
        min_dim=config.input_size.min_dim,
        max_dim=config.input_size.max_dim,
        rules=output_rules(config.model),
        max_detections=config.model.detections_per_image,
    )


def _tensorboard(folder: Path, extra: extras.Extras, *, log: EventLog) -> list[keras.callbacks.Callback]:
    for name, left_out in (("plots", callbacks.CURVES), ("tensorboard", TENSORBOARD)):
        if optional.missing(name):
            log.info(f"{left_out} is not written; install what it needs by {optional.hint(name)}")
    return [] if optional.missing("tensorboard") else [extras.TensorBoard(folder, extras=extra)]


def _early_stop(config: TrainConfig, clock: Clock, *, log: EventLog) -> callbacks.EarlyStop | None:
    rule = config.early_stopping
    if rule is None:
        return None
    return callbacks.EarlyStop(clock, monitor=rule.monitor, patience=rule.patience, min_delta=rule.min_delta, log=log)


def _print_plan(
    config: TrainConfig, samples: ProjectSamples, network: keras.Model, *, chosen: Devices, output: Path, log: EventLog
) -> None:
    batch_size = config.batch_size.train * chosen.count
    steps = steps_per_epoch(len(samples.train), batch_size)
    side = config.input_size.max_dim
    trained = [layer for layer, weights in network.weight_layout() if any(weight.trainable for _, weight in weights)]
    for line in (
        plan.class_line(samples.class_title_to_idx),
        f"model: {config.model.title}, input {side}x{side}, `train_layers` {config.train_layers}",
        *plan.parameter_lines(
            network, trained_layers=trained, optimizer_copies=OPTIMIZER_COPIES[config.optimizer.name]
        ),
        f"schedule: {config.epochs} epochs of {steps} steps of {batch_size} images, {config.optimizer.name}, "
        f"lr {rates.base_rate(config, batch_size=batch_size):g} {config.lr_schedule.name}",
        f"device: {', '.join(chosen.names)}, {config.precision}",
        f"output: {output}",
    ):
        log.info(line)
    warmup = rates.warmup_steps(config, steps_per_epoch=steps)
    if warmup >= config.epochs * steps:
        log.warning(
            f"the warm-up of `lr_schedule`, {warmup} steps, is no less than the run's {config.epochs * steps} steps: "
            "the learning rate never reaches `lr`; shorten it or train more epochs"
        )
