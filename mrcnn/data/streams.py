"""Selects what makes batches in parallel: `tf.data` with TensorFlow, threads with JAX and PyTorch.

Both make the same batches, bit for bit.
"""

import importlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

import keras
import numpy as np

Load = Callable[[int], Iterable[np.ndarray]]  # the fields of the example at a position, in the order of the spec
Spec = Mapping[str, tuple[tuple[int | None, ...], type]]  # shape and dtype of each field of an example
Batches = Iterable[Mapping[str, Any]]  # tensors or arrays by field, each with a leading batch axis

MAX_WORKERS = 16
PREFETCH = 2  # batches prepared ahead of the model
_FILES = {"tensorflow": "mrcnn.data.tf_stream"}


class Streams(Protocol):
    """Interface of the modules that make batches."""

    def endless(self, load: Load, spec: Spec, *, start: int, batch_size: int, workers: int | None) -> Batches:
        """Makes the batches of all positions from `start` on, in their order.

        Args:
            load: makes an example; called in several threads. Its exceptions end the iteration.
            spec: of the examples.
            start: the first position.
            batch_size: examples of a batch.
            workers: examples prepared at the same time; None for one per processor.

        Returns:
            Data for Keras's `fit`, which can be iterated again and again.
        """

    def one_pass(
        self, load: Load, spec: Spec, groups: Sequence[np.ndarray], *, batch_size: int, workers: int | None
    ) -> Batches:
        """Makes the batches of one pass over groups of positions.

        Args:
            load: as for `endless`; an example whose `image_ids` is negative is left out.
            spec: of the examples.
            groups: `[n]` int64 positions each; a batch is of one group.
            batch_size: examples of a batch; the last of each group may have fewer.
            workers: as for `endless`.
        """


def current() -> Streams:
    """Imports the module for Keras' back end."""
    return cast(Streams, importlib.import_module(_FILES.get(keras.config.backend(), "mrcnn.data.thread_stream")))


def close(batches: Batches) -> None:
    """Ends the threads that make training batches; a data set of TensorFlow ends its own with its iterator."""
    end = getattr(batches, "close", None)
    if end is not None:
        end()


def worker_count(workers: int | None) -> int:
    """Returns how many examples are prepared at the same time; None for one per processor, at most `MAX_WORKERS`."""
    return workers or min(os.cpu_count() or 1, MAX_WORKERS)


def arrays(batches: Batches) -> Iterator[dict[str, np.ndarray]]:
    """Converts batches to NumPy arrays."""
    for batch in batches:
        yield {name: keras.ops.convert_to_numpy(value) for name, value in batch.items()}
