"""Composes the lines a run logs before it starts and at its end."""

import math
from collections.abc import Sequence
from pathlib import Path

import keras

from mrcnn.config.optimizer import OptimizerConfig
from mrcnn.config.train import TrainConfig
from mrcnn.data import pipeline, repeat, shapes
from mrcnn.data.order import steps_per_epoch
from mrcnn.data.sources.source import Samples
from mrcnn.errors import counted
from mrcnn.events import EventLog
from mrcnn.ops.backend.current import native
from mrcnn.structures import Sample
from mrcnn.train import history, rates
from mrcnn.train.check import Checked
from mrcnn.train.devices import Devices

BYTES = 4  # of a float32
OPTIMIZER_COPIES = {"sgd": 1, "adam": 2, "adamw": 2}


def log_plan(checked: Checked, network: keras.Model, *, output: Path, log: EventLog) -> None:
    """Logs classes, model, schedule, devices and output of a run.

    Args:
        checked: the settings, the samples and the devices.
        network: the compiled model.
        output: folder of the checkpoints.
        log: receives the lines, and warnings of a schedule that the run does not complete.
    """
    config, samples, batch_size = checked.config, checked.samples, checked.batch_size
    steps = steps_per_epoch(pipeline.epoch_length(samples.train, config), batch_size)
    compiled = config.jit_compile or native.COMPILES_STEPS
    trained = [layer for layer, weights in network.weight_layout() if any(weight.trainable for _, weight in weights)]
    for line in (
        class_line(samples.class_title_to_idx),
        f"model: {config.model.title}, {input_shapes(samples.train, config, batch_size=batch_size)}, `train_layers` "
        f"{config.train_layers}",
        *parameter_lines(network, trained_layers=trained, optimizer_copies=optimizer_copies(config.optimizer)),
        *sampling_lines(samples, config),
        f"schedule: {config.epochs} epochs of {steps} steps of {batch_size} images, "
        f"{update_rule(config.optimizer)}, "
        f"{rates.described(config, batch_size=batch_size)} {config.lr_schedule.name}",
        f"device: {device_names(checked.devices)}, {config.precision}{', compiled by XLA' * compiled}",
        f"output: {output}",
    ):
        log.info(line)
    for line in rates.remarks(config, steps_per_epoch=steps):
        log.warning(line)


def device_names(devices: Devices) -> str:
    """Lists the devices of a run, of several workers those of each."""
    names, workers = ", ".join(devices.names), devices.peers.count
    return names if workers == 1 else f"{names} of each of {workers} workers"


def optimizer_copies(config: OptimizerConfig) -> int:
    """Counts the values that the optimizer and the moving averages store per trained parameter."""
    return OPTIMIZER_COPIES[config.name] + (config.accumulation_steps > 1) + (config.ema_momentum is not None)


def update_rule(config: OptimizerConfig) -> str:
    """Describes the optimizer and how often it updates the weights."""
    steps = config.accumulation_steps
    return config.name if steps == 1 else f"{config.name} with an update every {steps} steps"


def sampling_lines(samples: Samples, config: TrainConfig, *, most: int = 5) -> list[str]:
    """Describes repeat-factor sampling: the length of an epoch and the most repeated classes, at most `most` of them.

    Returns:
        One line; none where every image comes once.
    """
    if config.sampling is None:
        return []
    train, threshold = samples.train, config.sampling.repeat_threshold
    counts = repeat.image_counts(train)
    factors = repeat.class_factors(counts, images=len(train), threshold=threshold)
    titles = {index: title for title, index in samples.class_title_to_idx.items()}
    first = sorted((item for item in factors if factors[item] > 1), key=lambda item: (-factors[item], item))[:most]
    named = ", ".join(
        f"{titles[item]} {factors[item]:.2f} times (in {counted(counts[item], 'image')})" for item in first
    )
    length = pipeline.epoch_length(train, config)
    most_repeated = f"most of all {named}" if first else f"no class is in fewer than {threshold:g} of the images"
    return [f"sampling: an epoch has {length} images, drawn from {len(train)}; {most_repeated}"]


def input_shapes(samples: Sequence[Sample], config: TrainConfig, *, batch_size: int) -> str:
    """Describes the shapes of a run's model inputs, height x width, and what rectangles save."""
    size = config.input_size
    needs = shapes.needed(samples, config.training_size, fit=config.model.image_fit)
    factors = pipeline.repeat_factors(samples, config)
    text = shapes.described(needs, max_dim=size.max_dim, batch_size=batch_size, seed=config.seed, factors=factors)
    text = f"input {text}"
    drawn = ", ".join(map(str, size.train_min_dims))
    if jitter := config.scale_jitter:
        return f"{text}, images scaled by {jitter.min_scale:g} to {jitter.max_scale:g}"
    return f"{text}, short sides drawn from {drawn}" if drawn else text


def parameter_lines(model: keras.Model, *, trained_layers: Sequence[str], optimizer_copies: int) -> list[str]:
    """Describes the model's parameters, the trained ones and the least memory they need.

    Args:
        model: built, with the layers to train selected.
        trained_layers: names of the layers that train.
        optimizer_copies: values stored per trained parameter, from `optimizer_copies`.
    """
    total, trainable = parameters(model.weights), parameters(model.trainable_variables)
    needed = BYTES * (total + trainable * (1 + optimizer_copies))
    return [
        f"parameters: {total:,}, of which {trainable:,} in {len(trained_layers)} layers are trained",
        f"memory: {needed / 1e9:.2f} GB for weights, gradients and optimizer, the activations come on top",
    ]


def parameters(variables: Sequence[keras.Variable]) -> int:
    """Counts the numbers in variables."""
    return sum(math.prod(variable.shape) for variable in variables)


def class_line(class_title_to_idx: dict[str, int], *, most: int = 12) -> str:
    """Lists the classes by number, at most the first `most` of them."""
    titles = [f"{index} {title}" for title, index in sorted(class_title_to_idx.items(), key=lambda item: item[1])]
    shown = ", ".join(titles[:most])
    return f"classes: {shown}" + (f" and {len(titles) - most} more" if len(titles) > most else "")


def last_line(rows: Sequence[history.Row], *, monitor: str, best: Path, curves: Path | None) -> str:
    """Describes the end of a run: its epochs, the best one and its checkpoint.

    Args:
        rows: the history, one row per epoch.
        monitor: the column that decides which epoch is best.
        best: the checkpoint of the best epoch.
        curves: the plot of all epochs; None where there is none.
    """
    index = history.best_index(rows, monitor=monitor)
    found = "" if index is None else f", the best is epoch {index + 1} with {monitor} {rows[index][monitor]:.4g}"
    shown = f"; curves in {curves}" if curves else ""
    return f"trained {counted(len(rows), 'epoch')}{found}: {best}{shown}"
