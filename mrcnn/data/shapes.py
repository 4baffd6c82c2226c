"""Chooses a training run's model-input shapes, and batches images by shape.

Source: torchvision and detectron2 also group training images by aspect ratio; the shapes are ours.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from mrcnn.config.input_size import InputSize
from mrcnn.data.order import epoch_order
from mrcnn.data.repeat import repeated_order
from mrcnn.data.resize import resize_plan
from mrcnn.images import image_file, pixels
from mrcnn.images.fit import smallest_rectangle
from mrcnn.structures import Sample

MOST_SHAPES = 8
UNREADABLE = (ValueError, OSError, MemoryError, cv2.error)  # errors of a bad file

Shape = tuple[int, int]  # height and width of a model input, pixels


class Epoch(NamedTuple):
    """The batches of one epoch.

    Attributes:
        order: `[steps * batch_size]` int64, index of the image at each place.
        shapes: the shape of each step's batch.
    """

    order: np.ndarray
    shapes: Sequence[Shape]


def needed(samples: Iterable[Sample], size: InputSize, *, fit: str = "centred") -> list[Shape]:
    """Computes the smallest model input of each image.

    For training with `train_min_dims`, `size` must be `InputSize.largest_in_training`. An image whose size is unknown
    and whose file cannot be read is given a square of `max_dim`.
    """
    if size.settled_shape == "square":
        return [(size.max_dim, size.max_dim) for _ in samples]
    return [_needed(sample, size, fit=fit) for sample in samples]


def need_of(height: int, width: int, size: InputSize, *, fit: str = "centred") -> Shape:
    """Computes the smallest model input of an image of that size, in pixels."""
    return resize_plan(
        height, width, min_dim=size.min_dim, max_dim=size.max_dim, shape=size.settled_shape, fit=fit
    ).input_hw


def described(
    needs: Sequence[Shape], *, max_dim: int, batch_size: int, seed: int, factors: np.ndarray | None = None
) -> str:
    """Describes the shapes of a run's model inputs, and what rectangles save.

    Args:
        needs: the smallest shape of each training image, at least one.
        max_dim: longest side of the model input.
        batch_size: images per step.
        seed: of the run.
        factors: as for `ShapedOrder`.

    Returns:
        Height x width of each, such as `192x256 or 256x192 (rectangles with 75% as many pixels as squares)`.
    """
    order = ShapedOrder(needs, batch_size=batch_size, seed=seed, factors=factors)
    used = order.epoch(0).shapes
    listed = " or ".join(f"{height}x{width}" for height, width in order.shapes if (height, width) in used)
    if all(height == width for height, width in used):
        return listed
    share = sum(map(math.prod, used)) / len(used) / max_dim**2
    return f"{listed} (rectangles with {share:.0%} as many pixels as squares)"


def _needed(sample: Sample, size: InputSize, *, fit: str) -> Shape:
    try:
        height, width = sample.size_hw or _size(sample.image_path)
    except UNREADABLE:
        return smallest_rectangle((size.max_dim, size.max_dim), fit=fit)
    return need_of(height, width, size, fit=fit)


def _size(path: str) -> tuple[int, int]:
    found = image_file.header_sizes(path)
    return found.upright_hw if found else pixels.image_size(path)


def grouped(needs: Sequence[Shape]) -> dict[Shape, np.ndarray]:
    """Sorts images by shape.

    Args:
        needs: the smallest shape of each image.

    Returns:
        Increasing indices of the images of each shape, the smallest shape first.
    """
    members: dict[Shape, list[int]] = {}
    for index, need in enumerate(needs):
        members.setdefault(need, []).append(index)
    return {shape: np.array(members[shape], np.int64) for shape in _ascending(members)}


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
        first, second = _cheapest_pair(counts)
        total = counts.pop(first) + counts.pop(second)
        counts[_union((first, second))] += total
    return tuple(_ascending(counts))


def holding(shapes: Sequence[Shape], needs: Iterable[Shape]) -> Shape:
    """Finds the first of the chosen shapes that holds all the given ones.

    Args:
        shapes: from `choose`, the smallest first.
        needs: shapes of images for which `shapes` were chosen.
    """
    height, width = _union(needs)
    return next(shape for shape in shapes if shape[0] >= height and shape[1] >= width)


class ShapedOrder:
    """The order of a run's images, in batches of one shape.

    The images of an epoch are those of `epoch_order` or `repeated_order`, which depend only on the seed and the epoch's
    number, so training can be resumed at any step. Images left over after the full batches of their shape are combined
    into batches of a shape that holds them all.

    Attributes:
        shapes: the run's shapes, the smallest first.
        epoch: computes the batches of an epoch, counted from 0.
    """

    def __init__(
        self, needs: Sequence[Shape], *, batch_size: int, seed: int, factors: np.ndarray | None = None
    ) -> None:
        """Chooses the shapes.

        Args:
            needs: the smallest shape of each image.
            batch_size: images per step.
            seed: of the run.
            factors: how often each image comes in an epoch on average, see `repeat.image_factors`; None for once.

        Raises:
            ValueError: there is no image.
        """
        if not needs:
            raise ValueError("an epoch needs at least one image, got 0")
        self.shapes = choose(needs)
        self._needs, self._batch_size, self._seed, self._factors = needs, batch_size, seed, factors
        place = {need: self.shapes.index(holding(self.shapes, [need])) for need in set(needs)}
        self._groups = np.array([place[need] for need in needs])
        self.epoch = lru_cache(maxsize=4)(self._epoch)  # two are in use at the border between two epochs

    def _epoch(self, epoch: int) -> Epoch:
        how = {"batch_size": self._batch_size, "seed": self._seed, "epoch": epoch}
        factors = self._factors
        order = epoch_order(len(self._needs), **how) if factors is None else repeated_order(factors, **how)
        if len(self.shapes) == 1:
            return Epoch(order, list(self.shapes) * (len(order) // self._batch_size))
        batches = self._batches(order)
        place = np.random.default_rng([self._seed, epoch, 1]).permutation(len(batches))
        chosen = [batches[index] for index in place]
        shapes = [holding(self.shapes, [self._needs[image] for image in batch]) for batch in chosen]
        return Epoch(np.concatenate(chosen), shapes)

    def _batches(self, order: np.ndarray) -> list[np.ndarray]:
        """Divides an epoch's images into batches; those of mixed shapes come last.

        The number of images is a multiple of the batch size.
        """
        size = self._batch_size
        full: list[np.ndarray] = []
        rest = []
        for group in range(len(self.shapes)):
            members = order[self._groups[order] == group]
            count = len(members) // size * size
            full.extend(members[:count].reshape(-1, size))
            rest.append(members[count:])
        return [*full, *np.concatenate(rest).reshape(-1, size)]


def _union(shapes: Iterable[Shape]) -> Shape:
    heights, widths = zip(*shapes, strict=True)
    return max(heights), max(widths)


def _area(shape: Shape) -> int:
    return shape[0] * shape[1]


def _ascending(shapes: Iterable[Shape]) -> list[Shape]:
    return sorted(shapes, key=lambda shape: (_area(shape), shape))


def _cheapest_pair(counts: Counter[Shape]) -> tuple[Shape, Shape]:
    """Finds the two shapes that are cheapest to merge.

    Their images get the fewest additional pixels in the smallest shape that holds both.
    """
    shapes = sorted(counts)
    number = np.array([counts[shape] for shape in shapes])
    heights, widths = np.array(shapes).T
    union = np.maximum.outer(heights, heights) * np.maximum.outer(widths, widths)
    wasted = number[:, None] * (union - (heights * widths)[:, None])
    added = wasted + wasted.T
    added[np.tril_indices(len(shapes))] = np.iinfo(added.dtype).max
    first, second = np.unravel_index(np.argmin(added), added.shape)
    return shapes[int(first)], shapes[int(second)]
