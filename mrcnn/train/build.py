"""Builds a checked training run.

It consists of the model with start weights and optimizer, the position, and the checkpoints.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import keras

from mrcnn.config.train import TrainConfig
from mrcnn.data import classes, pipeline, repeat
from mrcnn.data.order import steps_per_epoch
from mrcnn.events import EventLog
from mrcnn.model_folder import precision, write
from mrcnn.model_folder.start_model import StartModel
from mrcnn.models import build, trainable
from mrcnn.ops.backend.current import native
from mrcnn.train import checkpoint, devices, disk, mask_classes, optimizer, plan, rates, start
from mrcnn.train import resume as resuming
from mrcnn.train import state as states
from mrcnn.train.averaging import Averages
from mrcnn.train.check import Checked, Start
from mrcnn.train.devices import Devices
from mrcnn.train.state import TrainingState
from mrcnn.train.workers.followers import Unwritten
from mrcnn.weights import apply


@dataclass(frozen=True)
class Built:
    """A run that is ready to train.

    Attributes:
        network: the compiled model.
        state: where the run starts; of a resumed run it holds the optimizer's variables.
        store: writes the checkpoints; of several workers, the chief's alone.
        averages: the moving averages of the weights; None without `optimizer.ema_momentum`.
    """

    network: keras.Model
    state: TrainingState
    store: checkpoint.CheckpointStore | Unwritten
    averages: Averages | None = None


def build_run(checked: Checked, output: Path, *, log: EventLog) -> Built:
    """Builds a run and logs its plan.

    Args:
        checked: the settings, the samples and the devices.
        output: folder of the checkpoints; it is created here.
        log: receives the plan and the warnings.

    Raises:
        UserError: the start weights do not fit, the data of a resumed run has changed, or the output cannot be written.
    """
    config, mapping = checked.config, checked.samples.class_title_to_idx
    state = _start_state(checked, log=log)
    keras.utils.set_random_seed(config.seed)
    network = build_network(
        config,
        mapping,
        chosen=checked.devices,
        begin=checked.begin,
        state=state,
        log=log,
        class_counts=class_counts(checked),
    )
    averages = _averages(config, network, state)
    plan.log_plan(checked, network, output=output, log=log)
    if not checked.devices.peers.leads:
        return Built(network, state, Unwritten(output), averages)
    store = checkpoint.CheckpointStore(
        output,
        layout=network.weight_layout(),
        config=write.folder_config(
            checked.meta,
            mapping,
            settings=config.to_settings(),
            model=config.model.model_dump(mode="json"),
            background=config.special_classes.background,
        ),
        keep=config.checkpoints.keep,
        averages=averages,
    )
    disk.warn_if_too_small(network, config, done=state.epoch, folder=output, log=log)
    return Built(network, state, store, averages)


def class_counts(checked: Checked) -> tuple[int, ...] | None:
    """Counts the training images of each class id, if the model needs them; else None."""
    if not checked.config.model.uses_class_counts:
        return None
    counts = repeat.image_counts(checked.samples.train)
    return tuple(counts[index] for index in range(classes.num_classes(checked.samples.class_title_to_idx)))


def _averages(config: TrainConfig, network: keras.Model, state: TrainingState) -> Averages | None:
    """Makes the moving averages, and restores the trained weights of a resumed run."""
    momentum = config.optimizer.ema_momentum
    if momentum is None:
        return None
    averages = Averages(network.trainable_variables, momentum=momentum)
    if state.weights:
        states.put_back(network.trainable_variables, state.weights, what="weight")
    return averages


def _start_state(checked: Checked, *, log: EventLog) -> TrainingState:
    config, begin = checked.config, checked.begin
    train = checked.samples.train
    steps = steps_per_epoch(pipeline.epoch_length(train, config), checked.batch_size)
    factors = pipeline.repeat_factors(train, config)
    facts = resuming.facts(checked.samples, steps_per_epoch=steps, factors=factors)
    if begin.resumed is None:
        return TrainingState(epoch=0, step=0, seed=config.seed, back_ends=(native.NAME,), **facts)
    state = begin.resumed.state
    now = replace(state, back_ends=resuming.back_ends(state, now=native.NAME), **facts)
    for line in filter(None, (*resuming.check_data(state, now), resuming.back_end_line(now.back_ends))):
        log.warning(line)
    if config.lr_schedule.name == "cosine" and begin.resumed.epochs not in (None, config.epochs):
        log.warning(
            f"`epochs` was {begin.resumed.epochs} and is {config.epochs} now: the cosine ends elsewhere, so the "
            "learning rate jumps here"
        )
    log.info(f"resuming {begin.resumed.weights.parents[1]}: epoch {state.epoch + 1}, step {state.step} of {steps}")
    return now


def build_network(
    config: TrainConfig,
    mapping: Mapping[str, int],
    *,
    chosen: Devices,
    begin: Start,
    state: TrainingState,
    log: EventLog,
    class_counts: Sequence[int] | None = None,
) -> keras.Model:
    """Builds and compiles the model of a run with its start weights.

    Args:
        config: `model`, `precision`, `train_layers`, the start weights and the optimizer's settings are read.
        mapping: class number by title.
        chosen: the devices of the run.
        begin: the start weights or the resumed run.
        state: the run's state; of a resumed run it holds the optimizer's variables.
        log: receives a report of the loaded layers, and a warning of layers that stay random.
        class_counts: from `class_counts`; needed by some losses.
    """
    with precision.scope(config.precision), chosen.scope():
        network = build.build_model(config.model, num_classes=classes.num_classes(mapping))
        trainable.select_trainable(network, config.train_layers)
        if config.allowed_mask_classes is not None:
            network.train_masks_of(mask_classes.ids(config, mapping))
        if class_counts is not None:
            network.count_classes(class_counts)
        if begin.resumed:
            resuming.load_weights(network.weight_layout(), begin.resumed)
        else:
            _load_start_weights(config, network, begin.model, log=log)
        devices.attach(network, chosen)
        network.compile(
            optimizer=_optimizer(
                config, network.trainable_variables, steps=state.steps_per_epoch, replicas=chosen.count
            ),
            jit_compile=config.jit_compile or None,
            auto_scale_loss=False,  # the optimizer already scales the loss where needed
        )
        network.optimizer.build(network.trainable_variables)
        if begin.resumed:
            states.put_back(network.optimizer.variables, state.optimizer, what="optimizer")
            if not config.lr_schedule.milestone_steps:  # these count the steps that were made
                before = begin.resumed.state.steps_per_epoch
                _follow_schedule(network.optimizer, before=before, now=state.steps_per_epoch)
    return network


def _follow_schedule(optimizer: keras.optimizers.Optimizer, *, before: int, now: int) -> None:
    """Keeps the place in the schedule, which counts in steps, when an epoch has another number of steps than before."""
    if now != before:
        optimizer.iterations.assign(round(int(optimizer.iterations) * now / before))


def _load_start_weights(
    config: TrainConfig, network: keras.Model, start_model: StartModel | None, *, log: EventLog
) -> None:
    layout = network.weight_layout()
    loaded = start.load_start_weights(
        layout,
        cast(start.StartKind, config.weights_init_type),  # `auto` was replaced by the check
        start_model=start_model,
        imagenet_weights=config.imagenet_weights,
        resnet=config.model.resnet,
        class_layers=network.class_layers,
        log=log,
    )
    noise = start.random_and_frozen(layout, loaded)
    if noise:
        log.warning(
            f"{len(noise)} layers are random and stay so, since `train_layers` {config.train_layers} does not train "
            f"them ({apply.abridge(noise)}); train more layers or start from weights that have them"
        )


def _optimizer(
    config: TrainConfig, variables: Sequence[keras.Variable], *, steps: int, replicas: int
) -> keras.optimizers.Optimizer:
    chosen = config.optimizer
    learning_rate = rates.learning_rate(
        config, steps_per_epoch=steps, batch_size=config.batch_size.settled_train * replicas
    )
    return optimizer.build_optimizer(
        learning_rate,
        name=chosen.name,
        momentum=chosen.momentum,
        nesterov=chosen.nesterov,
        global_clipnorm=chosen.global_clipnorm,
        decay=optimizer.Decay(
            chosen.weight_decay,
            chosen.weight_decay_form,
            optimizer.undecayed(variables, norms=chosen.decay_norms, biases=chosen.decay_biases),
        ),
        accumulation_steps=chosen.accumulation_steps,
        num_replicas=replicas,
        loss_scale=config.precision == "mixed_float16",
    )
