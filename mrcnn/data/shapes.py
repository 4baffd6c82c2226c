"""Chooses the model-input shapes of a training run and sorts its images into batches of one shape.

Source: torchvision and detectron2 also group training images by aspect ratio; the shapes are ours.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mrcnn.config.train import InputSize
from mrcnn.data.order import epoch_order, steps_per_epoch
from mrcnn.data.resize import resize_plan
from mrcnn.images import pixels
from mrcnn.structures import Sample

MOST_SHAPES = 8

Shape = tuple[int, int]  # height and width of a model input, pixels


class Epoch(NamedTuple):
    """The batches of one epoch.

    Attributes:
        order: `[steps * batch_size]` int64, index of the image at each place.
        shapes: the shape of each step's batch.
    """

    order: np.ndarray
    shapes: Sequence[Shape]


def needed(samples: Iterable[Sample], size: InputSize) -> list[Shape]:
    """Computes the smallest model input of each image.

    An image whose size is unknown and whose file cannot be read is given a square of `max_dim`.
    """
    return [_needed(sample, size) for sample in samples]


def _needed(sample: Sample, size: InputSize) -> Shape:
    try:
        height, width = sample.size_hw or pixels.image_size(sample.image_path)
    except (ValueError, OSError):
        return size.max_dim, size.max_dim
    return resize_plan(height, width, min_dim=size.min_dim, max_dim=size.max_dim, shape=size.shape or "square").input_hw


def grouped(needs: Sequence[Shape]) -> list[np.ndarray]:
    """Sorts images by shape.

    Args:
        needs: the smallest shape of each image.

    Returns:
        Increasing indices of the images of each shape, the smallest shape first; one empty array without images.
    """
    shapes = sorted(set(needs), key=lambda shape: (_area(shape), shape))
    found = [np.flatnonzero([need == shape for need in needs]) for shape in shapes]
    return found or [np.zeros(0, np.int64)]


def choose(shapes: Iterable[Shape], *, most: int = MOST_SHAPES) -> tuple[Shape, ...]:
    """Chooses few shapes that hold all images with little padding.

    Greedy: as long as there are more than `most`, the two shapes whose merging adds the fewest pixels over all images
    are replaced by the smallest shape that holds both. The largest chosen shape holds all images, for batches of mixed
    shapes.

    Args:
        shapes: the smallest shape of each image, at least one.
        most: the most shapes to choose, at least one.

    Returns:
        The shapes, the smallest first.
    """
    counts = Counter(shapes)
    counts[_union(counts)] += 0
    while len(counts) > most:
        first, second = min(itertools.combinations(sorted(counts), 2), key=lambda pair: _added_cost(pair, counts))
        total = counts.pop(first) + counts.pop(second)
        counts[_union((first, second))] += total
    return tuple(sorted(counts, key=lambda shape: (_area(shape), shape)))


def holding(shapes: Sequence[Shape], needs: Iterable[Shape]) -> Shape:
    """Finds the first of the chosen shapes that holds all the given ones.

    Args:
        shapes: from `choose`, the smallest first.
        needs: shapes of images for which `shapes` were chosen.
    """
    height, width = _union(needs)
    return next(shape for shape in shapes if shape[0] >= height and shape[1] >= width)


class ShapedOrder:
    """The order of a run's images, batch by batch, where all images of a batch have one shape.

    An epoch depends only on the seed and its number, so training can be resumed at any step. Images left over after the
    full batches of their shape are combined into batches of a shape that holds them all. Images that then fill no batch
    are left out, different ones in each epoch.

    Attributes:
        shapes: the run's shapes, the smallest first.
        epoch: computes the batches of an epoch, counted from 0.
    """

    def __init__(self, needs: Sequence[Shape], *, batch_size: int, seed: int) -> None:
        """Chooses the shapes.

        Args:
            needs: the smallest shape of each image.
            batch_size: images per step.
            seed: of the run.

        Raises:
            ValueError: there is no image.
        """
        if not needs:
            raise ValueError("an epoch needs at least one image, got 0")
        self.shapes = choose(needs)
        self._needs, self._batch_size, self._seed = needs, batch_size, seed
        self._groups = np.array([self.shapes.index(holding(self.shapes, [need])) for need in needs])
        self.epoch = lru_cache(maxsize=4)(self._epoch)  # two are in use at the border between two epochs

    def _epoch(self, epoch: int) -> Epoch:
        order = epoch_order(len(self._needs), batch_size=self._batch_size, seed=self._seed, epoch=epoch)
        if len(self.shapes) == 1 or len(self._needs) < self._batch_size:
            steps = len(order) // self._batch_size
            return Epoch(order, [holding(self.shapes, self._needs)] * steps)
        shuffled = np.random.default_rng([self._seed, epoch]).permutation(len(self._needs))
        batches = self._batches(shuffled)
        place = np.random.default_rng([self._seed, epoch, 1]).permutation(len(batches))
        chosen = [batches[index] for index in place]
        shapes = [holding(self.shapes, [self._needs[image] for image in batch]) for batch in chosen]
        return Epoch(np.concatenate(chosen), shapes)

    def _batches(self, shuffled: np.ndarray) -> list[np.ndarray]:
        size = self._batch_size
        full, rest = [], []
        for group in range(len(self.shapes)):
            members = shuffled[self._groups[shuffled] == group]
            count = len(members) // size * size
            full.extend(members[:count].reshape(-1, size))
            rest.append(members[count:])
        mixed = np.concatenate(rest)
        wanted = (steps_per_epoch(len(shuffled), size) - len(full)) * size
        # the first of the shuffled order, sorted by shape
        kept = np.sort(np.argsort(np.argsort(shuffled)[mixed])[:wanted])
        return [*full, *mixed[kept].reshape(-1, size)]


def _union(shapes: Iterable[Shape]) -> Shape:
    heights, widths = zip(*shapes, strict=True)
    return max(heights), max(widths)


def _area(shape: Shape) -> int:
    return shape[0] * shape[1]


def _added_cost(pair: tuple[Shape, Shape], counts: Counter[Shape]) -> int:
    """Counts the pixels that all images of both shapes have more in the shape that holds both."""
    area = _area(_union(pair))
    return sum(counts[shape] * (area - _area(shape)) for shape in pair)
