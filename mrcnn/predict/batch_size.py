"""Chooses the batch size of inference by measurement.

The batch is doubled while it fits into memory and each doubling gives at least 5 % more images a second.
"""

import time
from collections.abc import Callable

import numpy as np

from mrcnn.ops import accelerator
from mrcnn.ops.backend.current import native
from mrcnn.predict.staged import AnyPredictor

# few images use all cores of a CPU, and the system may end a process before TensorFlow reports that memory is full
MOST_GPU, MOST_CPU = 64, 8
GAIN = 1.05  # images/s of the doubled batch over those of the batch, at least
REPEATS = 2  # timed calls of a batch, after one that prepares the device; the fastest counts


def choose(predictor: AnyPredictor, *, regions: int | None) -> int:
    """Chooses the largest batch whose last doubling still made inference faster on the predictor's device.

    The batches are noise of the size of the model's input, so that most images of a run need no more memory.

    Args:
        predictor: the predictor of the run.
        regions: of the run; a larger batch is not tried. None for an unknown number.

    Returns:
        A power of two, at most `regions` and the predictor's own limit; 1 for none.
    """
    limits = [MOST_GPU if accelerator.is_visible() else MOST_CPU, regions, predictor.most_batch]
    most = min(limit for limit in limits if limit is not None)
    return largest_worth(lambda size: _seconds(predictor, size), most=most) if most > 1 else 1


def largest_worth(seconds: Callable[[int], float], *, most: int) -> int:
    """Finds the largest batch size that still increases the throughput.

    The size is doubled from 1 until a batch does not fit into memory or gains less than `GAIN`.

    Args:
        seconds: runs a batch of a size and returns how long it took; raises one of the back end's `ERRORS` if it does
            not fit.
        most: the largest size that may be tried, at least 1.

    Returns:
        The last size that fitted and gained; 1 if no batch fits.
    """
    size, before = 1, float("inf")
    try:
        while size <= most:
            images_per_second = size / seconds(size)
            if size > 1 and images_per_second < GAIN * before:
                break
            before, size = images_per_second, 2 * size
    except native.ERRORS:  # cuDNN has several errors for too little memory
        pass
    return max(1, size // 2)


def _seconds(predictor: AnyPredictor, size: int) -> float:
    facts = predictor.facts
    shape = (min(facts.min_dim, facts.max_dim), facts.max_dim, facts.channels)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    [batch] = predictor.prepare([noise] * size)
    predictor.detect(batch)
    return min(_timed(lambda: predictor.detect(batch)) for _ in range(REPEATS))


def _timed(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin
