"""Divides batches between the workers of a run, so that together they use the images of one process."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Share:
    """A worker's part of a run's batches.

    Attributes:
        index: which worker, from 0.
        count: number of workers.
        devices: devices of each worker, which have a batch each.
    """

    index: int = 0
    count: int = 1
    devices: int = 1

    def images(self, batch_size: int) -> int:
        """Counts this worker's images of a training step, of `batch_size` over all devices together."""
        return batch_size // self.count

    def position(self, own: int, *, batch_size: int) -> int:
        """Finds the place of an image in the stream of all workers.

        A worker has a contiguous part of each batch.

        Args:
            own: its place in this worker's stream.
            batch_size: images of a step, over all devices together; a multiple of `count`.
        """
        step, place = divmod(own, self.images(batch_size))
        return step * batch_size + self.index * self.images(batch_size) + place

    def whole_batches(self, groups: Mapping[tuple[int, int], np.ndarray], *, batch_size: int) -> list[np.ndarray]:
        """Selects every n-th batch of a validation set, so that the batches are those of one process.

        Args:
            groups: the images of each shape, in the order of validation.
            batch_size: images of a batch; the last one of a shape may have fewer.

        Returns:
            This worker's images of each shape, in the order of validation; shapes of which it has none are left out.
        """
        found, first = [], 0
        for indices in groups.values():
            batches = [indices[start : start + batch_size] for start in range(0, len(indices), batch_size)]
            own = [batch for number, batch in enumerate(batches, first) if number % self.count == self.index]
            first += len(batches)
            found += [np.concatenate(own)] if own else []
        return found


WHOLE = Share()
