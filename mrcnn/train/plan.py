"""The lines a run prints before it starts, and its last one."""

import math
from collections.abc import Sequence
from pathlib import Path

import keras

from mrcnn.train import history

BYTES = 4  # of a float32


def parameter_lines(model: keras.Model, *, trained_layers: Sequence[str], optimizer_copies: int) -> list[str]:
    """Says how large the model is, how much of it trains and what memory that needs at least.

    Args:
        model: built, with the layers to train selected.
        trained_layers: names of those.
        optimizer_copies: how many numbers the optimizer keeps per parameter: 1 for SGD with momentum, 2 for Adam.
    """
    total = sum(math.prod(variable.shape) for variable in model.weights)
    trainable = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    needed = BYTES * (total + trainable * (1 + optimizer_copies))
    return [
        f"parameters: {total:,}, of which {trainable:,} in {len(trained_layers)} layers are trained",
        f"memory: {needed / 1e9:.2f} GB for weights, gradients and optimizer, the activations come on top",
    ]


def class_line(class_title_to_idx: dict[str, int], *, most: int = 12) -> str:
    """Lists the classes by number, a long list by its first ones."""
    titles = [f"{index} {title}" for title, index in sorted(class_title_to_idx.items(), key=lambda item: item[1])]
    shown = ", ".join(titles[:most])
    return f"classes: {shown}" + (f" and {len(titles) - most} more" if len(titles) > most else "")


def last_line(rows: Sequence[history.Row], *, monitor: str, best: Path, curves: Path | None) -> str:
    """Says which epoch was the best and where it is.

    Args:
        rows: one per epoch.
        monitor: the column that makes an epoch the best.
        best: its checkpoint.
        curves: the plot of all epochs; None where there is none.
    """
    index = history.best_index(rows, monitor=monitor)
    found = "" if index is None else f", the best is epoch {index + 1} with {monitor} {rows[index][monitor]:.4g}"
    shown = f"; curves in {curves}" if curves else ""
    return f"trained {len(rows)} epochs{found}: {best}{shown}"
