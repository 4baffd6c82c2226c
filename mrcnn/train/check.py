"""Checks a run's config in two steps.

The first compares it with the start weights or the resumed run, the second with the data and the machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrcnn.config import errors
from mrcnn.config.base import AUTO, USES_MODEL
from mrcnn.config.model import MASK_POINTS
from mrcnn.config.train import TrainConfig
from mrcnn.data import classes
from mrcnn.data.augment import Augmenter
from mrcnn.data.sources.samples import load_samples
from mrcnn.data.sources.source import Samples, Settings, Source
from mrcnn.errors import UserError
from mrcnn.evaluate import table
from mrcnn.evaluate.metric import ClassFacts, MetricKind
from mrcnn.events import EventLog
from mrcnn.model_folder import layout, precision, start_model
from mrcnn.model_folder.precision import Precision
from mrcnn.model_folder.record import Record
from mrcnn.models import extra_heads
from mrcnn.project.meta import ProjectMeta
from mrcnn.train import (
    back_end,
    brightness,
    checkpoint,
    devices,
    fields,
    history,
    mask_classes,
    mask_truth,
    objects,
    start,
    stuff,
)
from mrcnn.train import resume as resuming
from mrcnn.train.devices import Devices
from mrcnn.train.resume import Resumed

BETTER = "; `model.compatibility` null in the config trains by the better conventions"

WIDTH = "rpn_channels"  # a key of `model`; its default was 512 before it became 256
ASSUMED = {"compatibility", "norm_epsilon"}  # keys of `model` that a remark on the start weights would name


@dataclass(frozen=True)
class Start:
    """The checked settings of a run and its start weights or resumed run.

    Attributes:
        config: the settings, with the conventions of the start weights.
        model: the start weights; None where there are none.
        resumed: the stopped run that is resumed; None for a new run.
        classes: class numbers by title, from the start weights or the stopped run; None to assign new ones.
    """

    config: TrainConfig
    model: start_model.StartModel | None
    resumed: Resumed | None
    classes: Mapping[str, int] | None


@dataclass(frozen=True)
class Checked:
    """A run whose settings fit its data and this machine.

    Attributes:
        config: the settings, with the precision, the object slots and the image range of this run.
        begin: the start weights or the resumed run.
        meta: the classes of the data in their order with their colours.
        samples: the training and the validation set.
        devices: the devices of the run.
        data_name: name of the data.
    """

    config: TrainConfig
    begin: Start
    meta: ProjectMeta
    samples: Samples
    devices: Devices
    data_name: str = ""

    @property
    def batch_size(self) -> int:
        """Images of a training step, over all devices together; see `auto_batch.settle` for `auto`."""
        return self.config.batch_size.settled_train * self.devices.count


def check(
    config: TrainConfig, *, model: str | None, output: Path, resume: bool, log: EventLog, leads: bool = True
) -> Start:
    """Checks the settings, the output folder and the start weights before data is read.

    Args:
        config: the merged settings.
        model: as for `run.train`.
        output: folder of the checkpoints.
        resume: whether to resume from the output's last checkpoint.
        log: receives warnings, and the conventions and precision that are used.
        leads: whether this process writes to the output; of several workers, the chief alone does.

    Raises:
        UserError: a path or a setting is wrong.
    """
    Augmenter([entry.model_dump() for entry in config.augmentation], seed=config.seed)
    config = stuff.settle(config)
    if leads:
        checkpoint.check_place(output, resume=resume)
    begin = _begin(config, model=model, output=output, resume=resume, log=log)
    back_end.check(begin.config)
    extra_heads.check_loss_weights(begin.config.model)
    begin.config.model.check_layers(begin.config.train_layers)
    stuff.check(begin.config, None if begin.model is None else begin.model.record)
    _check_monitors(begin.config)
    if begin.resumed is not None and leads:
        best = history.best_index(begin.resumed.state.rows, monitor=begin.config.best_monitor)
        checkpoint.repair(output, best=best, keep=begin.config.checkpoints.keep)
    return begin


def check_data(
    begin: Start,
    open_source: Callable[[Sequence[str]], Source],
    *,
    log: EventLog,
    joined: Devices | None = None,
) -> Checked:
    """Opens the data, chooses the devices, reads the samples, and fits the settings to them.

    Args:
        begin: the checked settings.
        open_source: opens the data, given the names of the extra fields that the run needs.
        log: receives warnings and what is derived from machine and data.
        joined: the devices of a run of several workers, which are chosen before the settings are checked.

    Raises:
        UserError: the data cannot be used, or a setting does not fit the machine or the data.
    """
    config = begin.config
    needed = _fields(config)
    source = open_source(needed)
    _check_monitors(config, source.class_facts)
    config = fields.settle(config, needed, source, known=begin.classes, log=log)
    chosen = joined or devices.choose(listed_gpus(config), warn=log.warning)
    if config.jit_compile:
        devices.check_xla(chosen)
    config = _with_precision(config, chosen, resumed=begin.resumed is not None, log=log)
    if chosen.count > 1 and config.model.uses_batch_statistics:
        log.warning(
            "`model.batch_norm` trained: each device normalises by its own part of the batch, so keep it large, or use "
            "synchronized"
        )
    samples = load_samples(source, _settings(config, source, known=begin.classes), log=log)
    config = objects.check(config, samples, log=log)
    mask_classes.check(config, samples.class_title_to_idx, log=log)
    mask_truth.check(config, samples.val, log=log)
    if begin.resumed is None:
        config = brightness.check(config, samples, log=log)
    return Checked(config, begin, source.meta, samples, chosen, source.name)


def _begin(config: TrainConfig, *, model: str | None, output: Path, resume: bool, log: EventLog) -> Start:
    if resume:
        stopped = resuming.find(output)
        config = _with_last(config, stopped.record, log=log)
        settings, network = config.to_settings(), config.model.model_dump(mode="json")
        resumed = resuming.load(stopped, settings=settings, model=network)
        return Start(config=config, model=None, resumed=resumed, classes=resumed.class_title_to_idx)
    config = _with_start(config, model, log=log)
    if config.weights_init_type not in USES_MODEL:
        if model is not None:
            log.warning(f"--model {model} has no effect with `weights_init_type` {config.weights_init_type}")
        if config.weights_init_type == "imagenet":
            start.find_imagenet_source(config.imagenet_weights, resnet=config.model.resnet)
        return Start(config=of_new_model(config, log=log), model=None, resumed=None, classes=None)
    found = start_model.find_start_model(layout.require_start(model, weights_init_type=config.weights_init_type))
    known, remarks = None, [] if {*config.given_model} & ASSUMED else [found.remark()]
    if config.weights_init_type == "continue_training":
        known = found.class_title_to_idx()
        remarks.append(found.other_size(config.input_size.min_dim, config.input_size.max_dim))
    for line in filter(None, remarks):
        log.warning(line)
    whose = f"start weights {found.weights}"
    config = _with_conventions(config, found.conventions(), whose=whose, advice=BETTER, log=log)
    config = config if known is None else _with_points(config, found.record)
    return Start(config=_with_shape(config, found.input_shape(), log=log), model=found, resumed=None, classes=known)


def _with_start(config: TrainConfig, model: str | None, *, log: EventLog) -> TrainConfig:
    """Replaces `weights_init_type` auto, and logs what it means here."""
    settled = config.with_start(model)
    if settled is not config:
        whose = "no start weights are given" if model is None else f"start weights {model} are given"
        log.info(f"`weights_init_type` auto: {settled.weights_init_type}, because {whose}")
    return settled


def _check_monitors(config: TrainConfig, class_facts: ClassFacts | None = None) -> None:
    """Checks that the monitored columns are computed.

    Also checks that no measure of a metric has the name of a loss.

    Args:
        config: the settings.
        class_facts: further values of the classes of the data; None before it is read, when the measures that only
            some data have pass, too.
    """
    found, maps = extra_heads.gives(config.model.extra_heads), extra_heads.maps(config.model)
    possible = table.kinds_for(found, class_facts, maps=maps)
    if doubled := sorted({name for kind in possible for name in kind.validated} & {*extra_heads.losses(config.model)}):
        raise ValueError(f"a metric has a measure named {doubled[0]!r}, which is a loss of the model: rename it")
    accepted = _monitors(config, possible)
    known = _monitors(config, table.kinds_for(found, class_facts or {}, maps=maps))
    for key, rule in (("early_stopping", config.early_stopping), ("checkpoints", config.checkpoints)):
        if rule and rule.monitor not in (None, *accepted):
            raise UserError(f"`{key}.monitor` must be {errors.listed(known)}, got {errors.shown(rule.monitor)}")


def _monitors(config: TrainConfig, kinds: Sequence[MetricKind]) -> list[str]:
    names = [history.MONITOR, *(f"val_{name}" for kind in kinds for name in kind.monitored)]
    if config.model.has_masks:
        return names
    # the whole boxes that a model without masks has instead say nothing of a mask
    return [name for name in names if not name.removeprefix("val_").startswith(table.OF_MASKS)]


def listed_gpus(config: TrainConfig) -> Sequence[int] | None:
    """Returns the GPUs that the user listed; None for a config without a list."""
    return config.gpu_devices if "gpu_devices" in config.given else None


def _with_precision(config: TrainConfig, chosen: Devices, *, resumed: bool, log: EventLog) -> TrainConfig:
    """Replaces `auto` by the precision of this machine, which checkpoints store too, and chooses TF32."""
    precision.choose_tf32(config.tf32)
    found = precision.resolve(config.precision)
    for line in precision.lines(found, asked=config.precision):
        log.info(line)
    if config.precision == AUTO:
        return config.model_copy(update={"precision": found.policy})
    if config.precision == precision.BRAIN and devices.lacks_bfloat16(chosen):
        advice = "; a resumed run keeps its precision, so go on where it began or start anew" if resumed else ""
        log.warning(f"this CPU has no bfloat16 instructions: `precision` float32 is many times faster here{advice}")
    return config


def _settings(config: TrainConfig, source: Source, *, known: Mapping[str, int] | None) -> Settings:
    special = config.special_classes
    titles = [item.title for item in source.meta.classes if item.title not in special.stuff]
    return Settings(
        train_tag=config.dataset_tags.train,
        val_tag=config.dataset_tags.val,
        background=special.background,
        neutral=special.neutral,
        class_title_to_idx=None
        if known is None
        else classes.reuse_mapping(
            known, titles, background=special.background, neutral=special.neutral, kind=source.kind
        ),
        max_skipped_share=config.max_skipped_share,
        seed=config.seed,
        fields=fields.of_run(config, _fields(config), source),
        stuff=special.stuff,
    )


def _fields(config: TrainConfig) -> tuple[str, ...]:
    """Lists the extra fields that the heads and the metrics of a run need."""
    measured = table.needs(extra_heads.gives(config.model.extra_heads)) if config.validation.ap else ()
    return tuple(dict.fromkeys((*extra_heads.needs(config.model), *measured)))


def _with_conventions(
    config: TrainConfig, conventions: Mapping[str, Any], *, whose: str, advice: str = "", log: EventLog
) -> TrainConfig:
    """Adopts the network and conventions of stored weights where the config names none."""
    start_model.check_family(config.given_model, conventions)
    taken = start_model.taken_over(config.given_model, conventions)
    kept = start_model.keep_conventions(config.given_model, taken)
    if kept != config.model:
        told = ", ".join(f"`{key}` {errors.shown(value)}" for key, value in taken.items())
        more = advice if start_model.is_older(taken) else ""
        log.info(f"model: network and conventions are those of the {whose}, {told}{more}")
    return config.with_model(kept, given=taken)


def _with_last(config: TrainConfig, last: Record, *, log: EventLog) -> TrainConfig:
    """Adopts what a stopped run had from its start weights, its data and its machine.

    These are the network and conventions, the object slots, the number of points and the image range, the precision and
    the batch size, which this machine may resolve differently, the kind of its start, and the shape of the model input;
    and the width of the RPN, whose default has changed.
    """
    if config.weights_init_type == AUTO and last.weights_init_type is not None:
        config = config.model_copy(update={"weights_init_type": last.weights_init_type})
    if config.weights_init_type in USES_MODEL:
        config = _with_conventions(config, last.model().trained_with(), whose="stopped run", log=log)
    counts = last.counts(objects.SLOTS, MASK_POINTS, brightness.RANGE, WIDTH)
    found = {key: value for key, value in counts.items() if key not in config.given_model}
    config = _with_points(config.with_model(config.model.model_copy(update=found), given=found), last)
    if config.precision == AUTO:
        log.info(str(Precision(last.precision, "the stopped run has it")))
        config = config.model_copy(update={"precision": last.precision})
    config = _with_last_batch(config, last, log=log)
    return _with_shape(config, last.input_shape, log=log)


def _with_points(config: TrainConfig, record: Record | None) -> TrainConfig:
    """Adopts the keypoints of a model whose classes are kept, unless the config lists them."""
    if record is None or "keypoints" in config.given_model or not config.model.extra_heads:
        return config
    found = {"keypoints": record.model().keypoints}
    return config.with_model(config.model.model_copy(update=found), given=found) if found["keypoints"] else config


def _with_last_batch(config: TrainConfig, last: Record, *, log: EventLog) -> TrainConfig:
    """Replaces `auto` by the size of the stopped run's training batches."""
    size = last.train_batch
    if config.batch_size.train != AUTO or size is None:
        return config
    log.info(f"batch size: {size}, because the stopped run has it")
    return config.model_copy(update={"batch_size": config.batch_size.model_copy(update={"train": size})})


def of_new_model(config: TrainConfig, *, log: EventLog) -> TrainConfig:
    """Sets the shape of the input of a model without start weights.

    A shape that the config sets is kept.

    Raises:
        UserError: `model.loss_weights` names no loss of the model, or `train_layers` is no value of its family.
    """
    config = stuff.settle(config)
    stuff.check(config)
    extra_heads.check_loss_weights(config.model)
    config.model.check_layers(config.train_layers)
    return _with_shape(config, config.model.input_shape, log=log)


def _with_shape(config: TrainConfig, shape: str, *, log: EventLog) -> TrainConfig:
    """Sets the shape of the model input where the config leaves it open.

    The shape of a batch is chosen before its images are augmented, so an augmentation that changes their size needs a
    square, which holds them all at the scale they have at inference.
    """
    size = config.input_size
    if size.shape is not None:
        return config
    if shape == "rectangle" and Augmenter([item.model_dump() for item in config.augmentation], seed=0).changes_size():
        log.info("`input_size.shape` is square, since `augmentation` changes the size of images")
        shape = "square"
    return config.model_copy(update={"input_size": size.model_copy(update={"shape": shape})})
