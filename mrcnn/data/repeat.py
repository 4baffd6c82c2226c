"""Repeat-factor sampling: images of rare classes come several times in an epoch.

A class that a share f of the training images has is repeated `max(1, sqrt(t / f))` times, and an image as often as the
most repeated of its classes. Factors are no whole numbers: an image with factor 1.25 comes once in three of four epochs
and twice in the fourth. All epochs have the same number of images, so that a schedule in steps stays exact.
Shape letters: n training images.
Source: Gupta et al. (2019), LVIS; `RepeatFactorTrainingSampler` of detectron2, which rounds each factor by its own
random number, so that the lengths of its epochs differ.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from mrcnn.data.order import steps_per_epoch
from mrcnn.structures import Sample

GRID = 2**20  # offsets are multiples of 1 / GRID, so that their sum with a whole number is exact
_OFFSET = 2  # part of the seed of an epoch's offset; 1 is that of the order of its batches
_ROUNDING = 1e-6  # a sum of factors that is so little above a whole number counts as that


def image_counts(samples: Sequence[Sample]) -> Counter[int]:
    """Counts for each class id the images that have an object of it; crowds and neutral objects do not count."""
    return Counter(class_id for sample in samples for class_id in _classes(sample))


def class_factors(counts: Mapping[int, int], *, images: int, threshold: float) -> dict[int, float]:
    """Computes how often each class is repeated.

    Args:
        counts: from `image_counts`.
        images: number of images of the set.
        threshold: t, the share of images from which a class is not repeated.

    Returns:
        The factors by class id, 1 or above.
    """
    return {class_id: max(1.0, math.sqrt(threshold * images / count)) for class_id, count in counts.items()}


def image_factors(samples: Sequence[Sample], *, threshold: float) -> np.ndarray:
    """Computes how often each image is repeated on average.

    Args:
        samples: the training set.
        threshold: as for `class_factors`.

    Returns:
        `[n]` float64, the largest factor of an image's classes; 1 without objects.
    """
    by_class = class_factors(image_counts(samples), images=len(samples), threshold=threshold)
    return np.array([max((by_class[item] for item in _classes(sample)), default=1.0) for sample in samples], np.float64)


def epoch_length(factors: np.ndarray) -> int:
    """Counts the images of an epoch: the sum of the factors, rounded up."""
    return math.ceil(float(factors.sum()) - _ROUNDING)


def rounded(factors: np.ndarray, *, offset: float) -> np.ndarray:
    """Rounds factors to whole numbers whose sum is always `epoch_length`.

    Systematic rounding: the factors, scaled so that their sum is whole, are laid end to end, and an image comes as
    often as one of the points `1 - offset`, `2 - offset`, ... lies in its part.

    Args:
        factors: `[n]` float64, at least one, 1 or above.
        offset: uniform in [0, 1), a multiple of 1 / GRID.

    Returns:
        `[n]` int64, a factor rounded down or up, at least 1. Over all offsets, the mean is the scaled factor.
    """
    length = epoch_length(factors)
    ends = np.minimum(np.cumsum(factors) * (length / factors.sum()), length)
    ends[-1] = length
    return np.diff(np.floor(ends + offset).astype(np.int64), prepend=0)


def repeated_order(factors: np.ndarray, *, batch_size: int, seed: int, epoch: int) -> np.ndarray:
    """Shuffles the repeated images for one epoch; with factors of 1 as `order.epoch_order`.

    Args:
        factors: `[n]` float64, at least one, 1 or above.
        batch_size: images per step.
        seed: of the run.
        epoch: zero-based.

    Returns:
        `[steps * batch_size]` int64 indices, whose number is the same in every epoch. What is left over by the division
        into batches is left out; of fewer images than a batch, all are repeated.
    """
    total = epoch_length(factors)
    length = steps_per_epoch(total, batch_size) * batch_size
    offset = np.random.default_rng([seed, epoch, _OFFSET]).integers(GRID) / GRID
    images = np.repeat(np.arange(len(factors)), rounded(factors, offset=offset))
    generator = np.random.default_rng([seed, epoch])
    return np.concatenate([generator.permutation(images) for _ in range(-(-length // total))])[:length]


def _classes(sample: Sample) -> set[int]:
    return {
        int(item) for item, ignored in zip(sample.class_ids, sample.ignore, strict=True) if item > 0 and not ignored
    }
