"""Makes batches with `tf.data`; see `streams.Streams`."""

import functools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from mrcnn.data.streams import PREFETCH, Load, Spec, worker_count


def endless(load: Load, spec: Spec, *, start: int, batch_size: int, workers: int | None) -> tf.data.Dataset:
    """Makes an endless data set."""
    positions = tf.data.Dataset.range(start, np.iinfo(np.int64).max)
    return _batch(_map(positions, load, spec, workers=workers), batch_size, drop_remainder=True)


def one_pass(
    load: Load, spec: Spec, groups: Sequence[np.ndarray], *, batch_size: int, workers: int | None
) -> tf.data.Dataset:
    """Makes a data set of one pass, with an open batch axis."""

    def of_group(indices: np.ndarray) -> tf.data.Dataset:
        examples = _map(tf.data.Dataset.from_tensor_slices(indices), load, spec, workers=workers)
        return _batch(examples.filter(lambda example: example["image_ids"] >= 0), batch_size, drop_remainder=False)

    return functools.reduce(tf.data.Dataset.concatenate, map(of_group, groups or [np.zeros(0, np.int64)]))


def _map(positions: tf.data.Dataset, load: Load, spec: Spec, *, workers: int | None) -> tf.data.Dataset:
    """Maps positions to examples, in parallel but in order, with static shapes.

    Args:
        positions: dataset of int64.
        load: makes an example.
        spec: shapes and dtypes of its fields.
        workers: examples prepared at the same time; None for one per processor.
    """
    dtypes = [tf.as_dtype(dtype) for _, dtype in spec.values()]

    def to_tensors(position):
        fields = tf.numpy_function(lambda number: tuple(load(int(number))), [position], dtypes, stateful=False)
        return {
            name: tf.ensure_shape(field, shape) for (name, (shape, _)), field in zip(spec.items(), fields, strict=True)
        }

    return positions.map(to_tensors, num_parallel_calls=worker_count(workers), deterministic=True)


def _batch(examples: tf.data.Dataset, batch_size: int, *, drop_remainder: bool) -> tf.data.Dataset:
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF  # one host, one stream
    batches = examples.batch(batch_size, drop_remainder=drop_remainder).prefetch(PREFETCH)
    return batches.with_options(options)
