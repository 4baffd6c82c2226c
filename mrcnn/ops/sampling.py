"""Random, balanced samples of anchors and regions, and random samples of objects' points.

All randomness is a hash of (seed, salt, position): an image's sample depends on its own seed only, never on the batch,
the device, the number of workers or an earlier step.
Shape letters: B images, A anchors, R regions, N slots of objects, K points.
"""

import math

import numpy as np
from keras import ops

from mrcnn.ops import shapes
from mrcnn.ops.backend.current import native
from mrcnn.structures import Count, Tensor

_MASK32 = 0xFFFFFFFF
_GOLDEN = 0x1E3779B9  # odd, near 2**32 / golden ratio / 8: neighbouring positions land far apart
_BEYOND = 2**17 + 2**2  # of 32 bits, and mixed to the same as 2**32: both are 2**17 after the first shift
_PRIORITY_BITS = 24  # what float32 holds exactly
ANCHOR_SALT = 1
ROI_SALT = 2
POINT_SALT = 3
PLACE_SALT = 4
_ROUNDING = 1e-4  # of a share of a number: 0.1 of 10 must not be above 1


def random_priority(seeds: Tensor, count: Count, *, salt: int, first: Tensor | None = None) -> Tensor:
    """Draws uniform numbers per image as a pure function of (seed, salt, position).

    Args:
        seeds: `[B]` integer, one per image; only the lower 32 bits are used.
        count: how many numbers per image.
        salt: a Python int that separates the uses of one seed.
        first: `[B]` integer, the position of each row's first number; None for 0. So the numbers of one slot of an
            image can be drawn alone.

    Returns:
        `[B, count]` float32 in [0, 1), multiples of 2**-24; equal on every device, eager or traced.

    Source: an integer hash of two multiply-xorshift rounds (constants below 2**31, so that int64 products of 32-bit
    numbers cannot overflow), applied to the seed and then to seed and position together. Products of uint32 lose their
    upper bits instead of masking them, which is the same.
    """
    salted = _integer(salt * _GOLDEN & _MASK32)
    seeds = _low(ops.cast(seeds, native.HASH_DTYPE))
    seeds = ops.where(seeds == _integer(_MASK32), _integer(_BEYOND), seeds + _integer(1))
    key = _mix(ops.bitwise_xor(_mix(seeds), salted))
    place = ops.arange(count, dtype=native.HASH_DTYPE)[None, :]
    if first is not None:
        place = place + ops.cast(first, native.HASH_DTYPE)[:, None]
    position = _mix(_low(place * _integer(_GOLDEN)))
    mixed = _mix(_low(key[:, None] + position))
    mixed = _mix(ops.bitwise_xor(mixed, key[:, None]))
    return ops.cast(ops.right_shift(mixed, _integer(32 - _PRIORITY_BITS)), "float32") * 2.0**-_PRIORITY_BITS


def sample_anchors(state: Tensor, seeds: Tensor, *, total: int, positive_fraction: float) -> Tensor:
    """Draws a random, balanced sample of the matched anchors and ignores the rest.

    Args:
        state: `[B, A]` int: 1 object, 0 background, -1 ignored.
        seeds: `[B]` integer, one per image.
        total: the most anchors to keep per image.
        positive_fraction: the largest share of `total` that objects may take.

    Returns:
        `[B, A]` int32: `state` with every anchor that was not drawn set to -1. At most `int(total * positive_fraction)`
        objects; background fills up to `total`.
    """
    state = ops.cast(state, "int32")
    count = ops.shape(state)[1]
    if isinstance(count, int) and count == 0:
        return state
    priority = random_priority(seeds, count, salt=ANCHOR_SALT)
    positive = _draw(state == 1, priority, limit=most_objects(total, positive_fraction), wanted=None)
    remaining = total - ops.sum(ops.cast(positive, "int32"), axis=1)
    negative = _draw(state == 0, priority, limit=total, wanted=remaining)
    return ops.where(positive | negative, state, -1)


def most_objects(total: int, positive_fraction: float) -> int:
    """Computes the most objects in a sample of `total` slots, the share rounded down."""
    return int(total * positive_fraction)


def sample_rois(
    positive: Tensor,
    negative: Tensor,
    seeds: Tensor,
    *,
    total: int,
    positive_fraction: float,
    proportional: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Draws a random, balanced sample of regions.

    Args:
        positive: `[B, R]` bool, regions that cover an object.
        negative: `[B, R]` bool, regions of background; regions that are neither are never drawn.
        seeds: `[B]` integer, one per image.
        total: slots of the sample.
        positive_fraction: the largest share of `total` that objects may take.
        proportional: limit the background so that objects make up `positive_fraction` of the drawn regions, rounded
            down to whole regions as Matterport does; no background without objects.

    Returns:
        index: `[B, total]` int32, drawn regions: objects first, at most `int(total * positive_fraction)`, then
            background up to `total`, then unused slots of index 0.
        is_positive: `[B, total]` bool.
        valid: `[B, total]` bool, the slot is used.
    """
    count = positive.shape[1]
    priority = random_priority(seeds, count, salt=ROI_SALT)
    first_value, first = _best(positive, priority, limit=min(most_objects(total, positive_fraction), count))
    second_value, second = _best(negative, priority, limit=min(total, count))
    if proportional:
        objects = ops.sum(ops.cast(first_value >= 0, "float32"), axis=1, keepdims=True)
        wanted = ops.floor(objects * np.float32(1.0 / positive_fraction)) - objects
        second_value = ops.where(ops.arange(second.shape[1], dtype="float32") < wanted, second_value, -1.0)
    # equal ranks keep their order in top_k: objects, then background, then regions that were no candidates
    rank = ops.concatenate([ops.where(first_value >= 0, 2, 0), ops.where(second_value >= 0, 1, 0)], axis=1)
    index = ops.concatenate([first, second], axis=1)
    padding = ((0, 0), (0, max(total - rank.shape[1], 0)))
    rank, slot = native.top_k(ops.cast(ops.pad(rank, padding), "float32"), k=total)
    index = ops.take_along_axis(ops.pad(index, padding), slot, axis=1)
    valid = rank > 0
    return ops.where(valid, index, 0), rank > 1, valid


def sample_points(labelled: Tensor, seeds: Tensor, *, share: float) -> Tensor:
    """Draws a random share of the labelled points of each object.

    Args:
        labelled: `[B, N, K]` bool, the points to draw from; N and K are known.
        seeds: `[B]` integer, one per image.
        share: of each object's points, above 0; the number is rounded up.

    Returns:
        `[B, N, K]` bool.
    """
    slots, points = labelled.shape[1:]
    if share >= 1 or not slots * points:
        return labelled
    priority = random_priority(seeds, slots * points, salt=POINT_SALT)
    candidates = ops.reshape(labelled, (-1, points))
    wanted = ops.ceil(ops.sum(ops.cast(candidates, "float32"), axis=1) * share - _ROUNDING)
    drawn = _draw(
        candidates,
        ops.reshape(priority, (-1, points)),
        limit=math.ceil(points * share - _ROUNDING),
        wanted=ops.cast(wanted, "int32"),
    )
    return ops.reshape(drawn, (-1, slots, points))


def _draw(candidates: Tensor, priority: Tensor, *, limit: int, wanted: Tensor | None) -> Tensor:
    """Selects each image's candidates of highest priority.

    Args:
        candidates: `[B, A]` bool.
        priority: `[B, A]` float32 in [0, 1).
        limit: the most candidates of an image, a Python int.
        wanted: `[B]` int, how many to select, at most `limit`; None selects `limit`.

    Returns:
        `[B, A]` bool.
    """
    if limit == 0:
        return ops.zeros_like(candidates, dtype="bool")
    count = ops.shape(candidates)[1]
    limit = shapes.at_most(limit, count)
    priority = ops.where(candidates, priority, -1.0)
    values, index = native.top_k(priority, k=limit)
    if wanted is None:
        last_value, last_index = values[:, -1:], index[:, -1:]
    else:
        last = ops.clip(wanted - 1, 0, limit - 1)[:, None]
        last_value = ops.take_along_axis(values, last, axis=1)
        last_index = ops.take_along_axis(index, last, axis=1)
        last_value = ops.where(wanted[:, None] > 0, last_value, 2.0)  # above every priority: none
    position = ops.arange(count, dtype="int32")[None, :]
    # top_k takes the lower index of two equal values, so this compares without a scatter and is exact
    chosen = (priority > last_value) | ((priority == last_value) & (position <= ops.cast(last_index, "int32")))
    return candidates & chosen


def _best(candidates: Tensor, priority: Tensor, *, limit: int) -> tuple[Tensor, Tensor]:
    values, index = native.top_k(ops.where(candidates, priority, -1.0), k=limit)
    return values, ops.cast(index, "int32")


def _mix(values: Tensor) -> Tensor:
    values = ops.bitwise_xor(values, ops.right_shift(values, _integer(15)))
    values = _low(values * _integer(0x2C1B3C6D))
    values = ops.bitwise_xor(values, ops.right_shift(values, _integer(12)))
    values = _low(values * _integer(0x297A2D39))
    return ops.bitwise_xor(values, ops.right_shift(values, _integer(15)))


def _low(values: Tensor) -> Tensor:
    """Keeps the lower 32 bits."""
    return ops.bitwise_and(values, _integer(_MASK32))


def _integer(value: int) -> np.generic:
    """Converts a number of at most 32 bits to the type of the hash."""
    return np.dtype(native.HASH_DTYPE).type(value)
