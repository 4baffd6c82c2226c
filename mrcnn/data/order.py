"""Computes the order of the images in an epoch.

The order depends only on the seed and the epoch, so training can be resumed at any step.
"""

from functools import lru_cache

import numpy as np

SEED_LIMIT = 2**31  # seeds are stored as int32


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Counts the steps of an epoch: full batches only, but at least one."""
    return max(1, n // batch_size)


@lru_cache(maxsize=4)  # two are in use at the border between two epochs
def epoch_order(n: int, *, batch_size: int, seed: int, epoch: int) -> np.ndarray:
    """Shuffles the images for one epoch.

    Args:
        n: number of images of the set, at least one.
        batch_size: images per step.
        seed: of the run.
        epoch: zero-based.

    Returns:
        `[steps_per_epoch * batch_size]` int64 indices, read-only. Every image occurs at most once. Where the set is
        smaller than a batch, images repeat, and their counts differ by at most one.

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
    """Hashes non-negative integers to a seed from 0 to 2^31 - 1.

    Neighbouring numbers have unrelated seeds.
    """
    return int(np.random.SeedSequence(parts).generate_state(1)[0]) % SEED_LIMIT
