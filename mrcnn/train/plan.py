"""Composes the lines a run logs before it starts and at its end."""

import math
from collections.abc import Sequence
from pathlib import Path

import keras

from mrcnn.train import history

BYTES = 4  # of a float32


def parameter_lines(model: keras.Model, *, trained_layers: Sequence[str], optimizer_copies: int) -> list[str]:
    """Describes the model's parameters, the trained ones and the least memory they need.

    Args:
        model: built, with the layers to train selected.
        trained_layers: names of the layers that train.
        optimizer_copies: values the optimizer stores per trained parameter: 1 for SGD with momentum, 2 for Adam.
    """
    total = sum(math.prod(variable.shape) for variable in model.weights)
    trainable = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    needed = BYTES * (total + trainable * (1 + optimizer_copies))
    return [
        f"parameters: {total:,}, of which {trainable:,} in {len(trained_layers)} layers are trained",
        f"memory: {needed / 1e9:.2f} GB for weights, gradients and optimizer, the activations come on top",
    ]


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
    return f"trained {len(rows)} epochs{found}: {best}{shown}"
