"""Fits a built training run: composes data, validation and callbacks, and trains to the end."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras

from mrcnn import optional
from mrcnn.card import facts, write
from mrcnn.card.facts import BestFacts, RunFacts
from mrcnn.config.train import TrainConfig
from mrcnn.data import pipeline, resize
from mrcnn.data.share import WHOLE, Share
from mrcnn.data.skipped import Skipped
from mrcnn.data.sources.source import Samples
from mrcnn.data.streams import Batches
from mrcnn.evaluate import table
from mrcnn.events import EventLog
from mrcnn.model_folder.read import output_rules
from mrcnn.models import extra_heads
from mrcnn.structures import Sample
from mrcnn.train import (
    callbacks,
    checkpoint,
    data_facts,
    examples,
    loop,
    machine,
    mask_truth,
    out_of_memory,
    plan,
    run_record,
    trackers,
)
from mrcnn.train.averaging import Averages, AverageUpdate
from mrcnn.train.build import Built
from mrcnn.train.card_examples import CardExamples, Kept
from mrcnn.train.check import Checked
from mrcnn.train.class_history import ClassRecorder
from mrcnn.train.clock import Clock
from mrcnn.train.engine.current import engine
from mrcnn.train.examples import Examples
from mrcnn.train.forecast import Forecast
from mrcnn.train.input_wait import InputWaitReport
from mrcnn.train.interrupt import StopRequest
from mrcnn.train.invalid_loss import InvalidLossStop
from mrcnn.train.memory_report import MemoryReport
from mrcnn.train.optional_files import OptionalFiles, TensorBoard
from mrcnn.train.run_record import ENERGY, Meter, RunRecord
from mrcnn.train.validation import MetricScorer, Validation, Watch, is_due
from mrcnn.train.workers.followers import AgreedRequest

TENSORBOARD = "tensorboard"
QUICK_SIDE = 256  # pixels, side of a model input that a CPU trains in an evening
QUICKER = "; presets/train_cpu_evening.json is quicker on a CPU"


def fit_run(checked: Checked, built: Built, *, own: Sequence[keras.callbacks.Callback] = (), log: EventLog) -> None:
    """Trains a run from its position to its end.

    Args:
        checked: the settings, the samples and the devices.
        built: the model, the position and the checkpoints.
        own: the caller's callbacks, called after the checkpoint is written; of several workers, in the chief alone.
        log: receives figures, progress and messages.

    Raises:
        UserError: too many images cannot be used, a loss is NaN or infinite, or a checkpoint cannot be written.
        OutOfMemory: a batch does not fit into memory; the message has its size and what to lower.
        Stopped: a signal came and the run is saved.
    """
    config, samples, root = checked.config, checked.samples, built.store.root
    skipped, skipped_val = (
        Skipped(len(chosen), max_share=config.max_skipped_share, log=log) for chosen in (samples.train, samples.val)
    )
    wait, peers = engine.input_wait(), checked.devices.peers
    open_data = partial(_open_data, checked, skipped=skipped, share=checked.devices.share)

    def open_measured(epoch: int, step: int) -> Batches:
        return wait.measured(open_data(epoch, step))

    with StopRequest() as request, skipped.surfaced(), skipped_val.surfaced():
        clock, writer = Clock(built.state), OptionalFiles(log)
        agreed = request if peers.count == 1 else AgreedRequest(request, peers)
        stop = callbacks.SignalStop(clock, request=agreed, store=built.store, log=log)
        first = _first(checked, built, clock, skipped=skipped)
        if not peers.leads:
            _follow(checked, built, clock, first=first, open_data=open_data, skipped=skipped_val, stop=stop, log=log)
            return
        measuring = _measuring(checked, built, clock, skipped=skipped_val, stop=stop, writer=writer, log=log)
        describe, lost = measuring.describe, (skipped, skipped_val)
        record = _record(checked, built, clock, describe=describe, writer=writer, skipped=lost, log=log)
        tracking = trackers.make(config, clock, folder=root, optional_files=writer)
        early = _early_stop(config, clock, log=log)
        if peers.of_chief(bool(early and early.is_due)):
            log.info("nothing to do: the run was ended by `early_stopping`")
            return
        chain = [
            *first,
            InputWaitReport(wait, log=log),
            MemoryReport(devices=checked.devices.names, log=log),
            _report(checked, clock, log=log),
            *measuring.callbacks,
            record,
            *tracking.callbacks.values(),
            *own,
            *([early] if early else []),
            stop,
        ]
        with (
            out_of_memory.explained(clock, config=config, batch_at=partial(_batch_at, checked), root=root),
            record.completed(),
            tracking.running(log),
        ):
            _loop(checked, built, open_measured, chain=chain, clock=clock)
    for collected in (skipped, skipped_val):
        if collected:
            log.warning(collected.summary())
    _finish(root, clock, monitor=config.best_monitor, writer=writer, log=log)


def _follow(
    checked: Checked,
    built: Built,
    clock: Clock,
    *,
    first: Sequence[keras.callbacks.Callback],
    open_data: loop.OpenData,
    skipped: Skipped,
    stop: callbacks.SignalStop,
    log: EventLog,
) -> None:
    """Trains in a worker that is not the chief: it makes the same steps and validates its share, and writes nothing."""
    config = checked.config
    if checked.devices.peers.of_chief(None):
        return
    scorer = _scorer(config, checked.samples, watchers=()) if config.validation.ap else None
    validation = _validation(checked, skipped, scorer=scorer, averages=built.averages, stop=stop, log=log)
    _loop(checked, built, open_data, chain=[*first, validation, stop], clock=clock)


def _loop(
    checked: Checked, built: Built, open_data: loop.OpenData, *, chain: Sequence[keras.callbacks.Callback], clock: Clock
) -> None:
    epochs = checked.config.epochs
    loop.fit(built.network, open_data, clock=clock, callbacks=chain, epochs=epochs, devices=checked.devices)
    checked.devices.peers.most(0)  # no worker leaves before the others have made their last step


def _first(checked: Checked, built: Built, clock: Clock, *, skipped: Skipped) -> list[keras.callbacks.Callback]:
    """Makes the callbacks that every worker has, in their order before the validation."""

    def names_at(epoch: int, step: int) -> Sequence[str]:
        batch = next(iter(_open_data(checked, epoch, step, skipped=skipped, share=WHOLE)))
        return [checked.samples.train[index].name for index in keras.ops.convert_to_numpy(batch["image_ids"])]

    averaging = [AverageUpdate(built.averages)] if built.averages else []
    return [clock, InvalidLossStop(clock, names_at=names_at), *averaging]


def _open_data(checked: Checked, epoch: int, step: int, *, skipped: Skipped, share: Share) -> Batches:
    return pipeline.train_dataset(
        checked.samples.train,
        checked.config,
        batch_size=checked.batch_size,
        skipped=skipped,
        start_epoch=epoch,
        start_step=step,
        share=share,
    )[0]


def _finish(root: Path, clock: Clock, *, monitor: str, writer: OptionalFiles, log: EventLog) -> None:
    """Writes the model card and logs the last lines."""
    best, curves = root / checkpoint.BEST, root / callbacks.CURVES
    if clock.rows:
        with writer.attempting(f"writing {write.WHAT}"):
            write.write_card(root, log=log)
            log.info(f"model card: {best / write.FILE}")
    log.info(plan.last_line(clock.rows, monitor=monitor, best=best, curves=curves if curves.is_file() else None))


def _batch_at(checked: Checked, epoch: int, step: int) -> out_of_memory.Batch:
    """Computes the size of a training batch without reading its images again."""
    order = pipeline.image_order(checked.samples.train, checked.config, batch_size=checked.batch_size)
    return out_of_memory.Batch(checked.batch_size, *order.epoch(epoch).shapes[step])


class _Measuring(NamedTuple):
    callbacks: list[keras.callbacks.Callback]  # validation first, then those that write its results
    describe: Callable[[int], BestFacts] | None  # of the newest validation, for the model card


def _measuring(
    checked: Checked,
    built: Built,
    clock: Clock,
    *,
    skipped: Skipped,
    stop: callbacks.SignalStop,
    writer: OptionalFiles,
    log: EventLog,
) -> _Measuring:
    """Makes what measures the model after an epoch and writes the results."""
    config, samples, root = checked.config, checked.samples, built.store.root
    drawn, kept = _examples(checked, root, writer), Kept(data_facts.choose_examples(samples.val))
    watchers = [kept.add, *([drawn.add] if drawn else [])]
    scorer = _scorer(config, samples, watchers=watchers) if config.validation.ap else None
    validation = _validation(checked, skipped, scorer=scorer, averages=built.averages, stop=stop, log=log)
    recorders = _recorders(checked, built, clock, scorer=scorer, writer=writer, log=log)
    describe = _card_examples(checked, root, scorer=scorer, kept=kept, writer=writer)
    return _Measuring([validation, *recorders, *([drawn] if drawn else [])], describe)


def _validation(
    checked: Checked,
    skipped: Skipped,
    *,
    scorer: MetricScorer | None,
    averages: Averages | None,
    stop: callbacks.SignalStop,
    log: EventLog,
) -> Validation:
    config, samples = checked.config, checked.samples
    return Validation(
        pipeline.val_dataset(
            samples.val, config, batch_size=config.batch_size.val, skipped=skipped, share=checked.devices.share
        ),
        names=[sample.name for sample in samples.val],
        log=log,
        scorer=scorer,
        check=stop.check,
        due=lambda epoch: is_due(epoch, every=config.validation.every_epochs, epochs=config.epochs),
        averaged=averages.applied if averages else nullcontext,
        peers=checked.devices.peers,
    )


def _recorders(
    checked: Checked, built: Built, clock: Clock, *, scorer: MetricScorer | None, writer: OptionalFiles, log: EventLog
) -> list[keras.callbacks.Callback]:
    """Makes the callbacks that write history, curves, classes, checkpoints and TensorBoard's events, in this order."""
    monitor, store = checked.config.best_monitor, built.store
    return [
        callbacks.Recorder(
            clock, folder=store.root, batch_size=checked.batch_size, log=log, optional_files=writer, monitor=monitor
        ),
        *([_class_recorder(clock, scorer, folder=store.root, writer=writer, log=log)] if scorer else []),
        callbacks.CheckpointSaver(clock, store=store, log=log, monitor=monitor),
        *_tensorboard(store.root / TENSORBOARD, writer, log=log),
    ]


def _class_recorder(
    clock: Clock, scorer: MetricScorer, *, folder: Path, writer: OptionalFiles, log: EventLog
) -> ClassRecorder:
    return ClassRecorder(clock, measured=lambda: scorer.per_class, folder=folder, log=log, optional_files=writer)


def _examples(checked: Checked, root: Path, writer: OptionalFiles) -> Examples | None:
    """Makes the callback that draws validation images; None where the config switches it off."""
    config, samples = checked.config, checked.samples.val
    rule = config.validation
    if not rule.ap or rule.pictures_every_epochs == 0:
        return None
    return Examples(
        examples.chosen([_classes(sample) for sample in samples]),
        read=lambda image_id: pipeline.read_image(samples[image_id], config),
        names=[sample.name for sample in samples],
        titles=list(checked.samples.class_title_to_idx),
        due=partial(
            examples.is_due,
            every=rule.pictures_every_epochs,
            validate_every=rule.every_epochs,
            epochs=config.epochs,
        ),
        folder=root,
        optional_files=writer,
    )


def _classes(sample: Sample) -> set[int]:
    return {class_id for class_id, ignored in zip(sample.class_ids, sample.ignore, strict=True) if not ignored}


def _card_examples(
    checked: Checked, folder: Path, *, scorer: MetricScorer | None, kept: Kept, writer: OptionalFiles
) -> Callable[[int], BestFacts] | None:
    """Makes the function that describes a validation for the model card; None without measures."""
    if scorer is None:
        return None
    fields = extra_heads.fields(checked.config.model)
    made = CardExamples(scorer, kept, checked=checked, folder=folder, fields=fields, optional_files=writer)
    return made.describe


def _record(
    checked: Checked,
    built: Built,
    clock: Clock,
    *,
    describe: Callable[[int], BestFacts] | None,
    writer: OptionalFiles,
    skipped: tuple[Skipped, Skipped],
    log: EventLog,
) -> RunRecord:
    """Makes the record of what the model card needs."""
    config, samples, folder, network = checked.config, checked.samples, built.store.root, built.network
    path = folder / facts.FILE
    start = RunFacts(
        data=data_facts.count(samples, name=checked.data_name),
        parameters=plan.parameters(network.weights),
        trained_parameters=plan.parameters(network.trainable_variables),
        software=machine.software(),
    )
    return RunRecord(
        clock,
        path,
        start=run_record.with_earlier(start, path, warn=log.warning) if checked.begin.resumed else start,
        machine=machine.describe(checked.devices.names),
        optional_files=writer,
        monitor=config.best_monitor,
        describe=describe,
        skipped=lambda: (len(skipped[0]), len(skipped[1])),
        meter=_meter(config.energy_country, writer),
    )


def _meter(country: str | None, writer: OptionalFiles) -> Meter | None:
    if country is None:
        return None
    with writer.attempting(ENERGY):
        module = optional.load("mrcnn.train.codecarbon_meter", extra="energy", purpose="`energy_country`")
        return module.CodeCarbonMeter(country)
    return None


def _report(checked: Checked, clock: Clock, *, log: EventLog) -> callbacks.ProgressReport:
    config = checked.config
    forecast = Forecast(
        steps_per_epoch=clock.steps_per_epoch,
        epochs=config.epochs,
        val_images=len(checked.samples.val),
        batch_size=checked.batch_size,
        validate_every=config.validation.every_epochs,
    )
    is_slow = checked.devices.names[0].startswith("CPU") and config.input_size.max_dim > QUICK_SIDE
    advice = QUICKER if is_slow else ""
    return callbacks.ProgressReport(clock, batch_size=checked.batch_size, log=log, forecast=forecast, advice=advice)


def _scorer(config: TrainConfig, samples: Samples, *, watchers: Sequence[Watch]) -> MetricScorer:
    maps = extra_heads.maps(config.model)
    return MetricScorer(
        mask_truth.measurable(
            table.kinds_for(extra_heads.gives(config.model.extra_heads), samples.class_facts, maps=maps),
            config,
            samples.val,
        ),
        lambda image_id: pipeline.ground_truth(samples.val[image_id]),
        class_names=list(samples.class_title_to_idx),
        plan=partial(
            resize.resize_plan,
            min_dim=config.input_size.min_dim,
            max_dim=config.input_size.max_dim,
            shape=config.input_size.settled_shape,
            fit=config.model.image_fit,
        ),
        rules=output_rules(config.model),
        max_detections=config.model.detections_per_image,
        class_facts=samples.class_facts,
        fields=extra_heads.fields(config.model),
        maps=maps,
        watchers=watchers,
    )


def _tensorboard(folder: Path, writer: OptionalFiles, *, log: EventLog) -> list[keras.callbacks.Callback]:
    if optional.missing("plots"):
        log.info(f"{callbacks.CURVES} is not written; install what it needs by {optional.hint('plots')}")
    if not engine.WRITES_EVENTS:
        log.info(f"{TENSORBOARD} is not written: it needs TensorFlow as the back end")
    elif optional.missing("tensorboard"):
        log.info(f"{TENSORBOARD} is not written; install what it needs by {optional.hint('tensorboard')}")
    else:
        return [TensorBoard(folder, optional_files=writer)]
    return []


def _early_stop(config: TrainConfig, clock: Clock, *, log: EventLog) -> callbacks.EarlyStop | None:
    rule = config.early_stopping
    if rule is None:
        return None
    return callbacks.EarlyStop(clock, monitor=rule.monitor, patience=rule.patience, min_delta=rule.min_delta, log=log)
