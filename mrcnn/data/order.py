"""The order in which an epoch visits its images: it follows from seed and epoch alone, so any step can be resumed."""

from functools import lru_cache

import numpy as np

SEED_LIMIT = 2**31  # seeds travel as int32


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Counts the steps of an epoch: full batches only, but at least one."""
    return max(1, n // batch_size)


@lru_cache(maxsize=4)  # two are in use where one epoch goes over into the next
def epoch_order(n: int, *, batch_size: int, seed: int, epoch: int) -> np.ndarray:
    """Shuffles the images for one epoch.

    Args:
        n: images of the set, at least one.
        batch_size: images a step.
        seed: of the run.
        epoch: zero-based.

    Returns:
        `[steps_per_epoch * batch_size]` int64 indices, read-only. Every image at most once, or, where the set is
        smaller than a batch, each as often as any other give or take one.

    Raises:
        ValueError: there is no image.
    """
    if n < 1:
        raise ValueError(f"an epoch needs at least one image, got {n}")
    length = steps_per_epoch(n, batch_size) * batch_size
    rounds = -(-length // n)
    generator = np.random.default_rng([seed, epoch])
    order = np.concatenate([generator.permutation(n) for _ in range(rounds)])[:length]
    order.flags.writeable = False
    return order


def derive_seed(*parts: int) -> int:
    """Mixes whole numbers from 0 up into a seed from 0 to 2^31 - 1; near numbers give unrelated seeds."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0]) % SEED_LIMIT
