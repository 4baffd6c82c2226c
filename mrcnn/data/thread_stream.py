"""Makes batches in threads, without TensorFlow; see `streams.Streams`.

Training data is a `keras.utils.PyDataset` with threads of its own, which keep running between epochs: Keras stops those
that it starts itself, and the next epoch would wait for its first batches. Validation data is a plain iterable: broken
images are left out, so what a batch contains depends on all images before it, not on its number alone.
"""

import itertools
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

import keras
import numpy as np

from mrcnn.data.ahead import mapped
from mrcnn.data.streams import PREFETCH, Load, Spec, worker_count

Example = dict[str, np.ndarray]


class EndlessBatches(keras.utils.PyDataset):
    """Endless batches of consecutive positions, each known by its number.

    Batches are prepared ahead for the order in which `fit` reads them. Another number starts anew there. Several
    threads may read at the same time; each waits for the others.
    """

    def __init__(self, load: Load, spec: Spec, *, start: int, batch_size: int, workers: int | None):
        """Stores the arguments, which are those of `streams.Streams.endless`; starts no thread."""
        super().__init__()
        self._load, self._start, self._batch_size = _named(load, spec), start, batch_size
        self._threads, self._ahead = _threads(workers, batch_size)
        self._examples: Generator[Example, None, None] | None = None
        self._next = 0  # number of the batch that `_examples` comes to
        self._lock = threading.Lock()

    @property
    def num_batches(self) -> None:
        """None: the data has no end."""

    def __getitem__(self, index: int) -> Example:
        """Makes the batch of a number, from 0.

        Returns:
            Arrays by field.
        """
        with self._lock:
            if self._examples is None or index != self._next:
                self.close()
                positions = itertools.count(self._start + index * self._batch_size)
                self._examples = mapped(self._load, positions, ahead=self._ahead, threads=self._threads)
            examples, self._examples = self._examples, None  # after an error the next call starts anew
            batch = _stacked(itertools.islice(examples, self._batch_size))
            self._examples, self._next = examples, index + 1
            return batch

    def close(self) -> None:
        """Ends the threads; the next batch starts new ones."""
        if self._examples is not None:
            self._examples.close()
            self._examples = None


class OnePass:
    """Batches of one pass over groups of positions, whose examples may be missing."""

    def __init__(self, load: Load, spec: Spec, groups: Sequence[np.ndarray], *, batch_size: int, workers: int | None):
        """Stores the arguments, which are those of `streams.Streams.one_pass`."""
        self._load, self._groups, self._batch_size = _named(load, spec), groups, batch_size
        self._threads, self._ahead = _threads(workers, batch_size)

    def __iter__(self) -> Iterator[Example]:
        """Makes the batches; each call makes the same."""
        for group in self._groups:
            made = mapped(self._load, map(int, group), ahead=self._ahead, threads=self._threads)
            present = (example for example in made if example["image_ids"] >= 0)
            while batch := list(itertools.islice(present, self._batch_size)):
                yield _stacked(batch)


endless = EndlessBatches
one_pass = OnePass


def _threads(workers: int | None, batch_size: int) -> tuple[int, int]:
    """Returns the number of threads and how many examples they prepare ahead."""
    threads = worker_count(workers)
    return threads, max(threads, PREFETCH * batch_size)


def _named(load: Load, spec: Spec) -> Callable[[int], Example]:
    names = tuple(spec)
    return lambda position: dict(zip(names, load(position), strict=True))


def _stacked(examples: Iterable[Example]) -> Example:
    """Adds the batch axis to examples with equal shapes."""
    listed = list(examples)
    return {name: np.stack([example[name] for example in listed]) for name in listed[0]}
