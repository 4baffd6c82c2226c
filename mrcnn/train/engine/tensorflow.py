"""Training with TensorFlow; see `interface.Engine`."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mrcnn.train.engine.interface import Batch, Validated

SEVERAL = True
WRITES_EVENTS = True
FIRST_STEP = "building the graph: the first step takes up to a minute"
FILE_ERRORS = (tf.errors.OpError,)
WORKER = "worker"  # TensorFlow's name of the job of all processes


def sync(model: keras.Model) -> None:
    """Does nothing: a step of TensorFlow changes the variables themselves."""


def validator(model: keras.Model, data: tf.data.Dataset) -> Callable[[Batch], Validated]:
    """Makes one graph for full and partial batches: the data set's own shapes leave the batch axis open."""
    graph = tf.function(model.validate, input_signature=[data.element_spec])

    def run(batch: Batch) -> Validated:
        losses, raw = graph(batch)
        fields = tf.nest.map_structure(lambda field: field.numpy(), raw)
        return {name: float(value) for name, value in losses.items()}, fields

    return run


class Shadows:
    """Second values as variables of TensorFlow."""

    def __init__(self, variables: Sequence[keras.Variable], *, momentum: float):
        """Copies the values."""
        self._variables, self._momentum = list(variables), momentum
        values = [np.array(variable.numpy()) for variable in self._variables]
        self._others = [tf.Variable(value, trainable=False) for value in values]
        self._graph = tf.function(self._move)

    def move(self) -> None:
        """Runs the graph of all updates."""
        self._graph()

    def exchange(self) -> None:
        """Exchanges the values one by one, to save memory."""
        for other, variable in zip(self._others, self._variables, strict=True):
            value = tf.identity(variable.value)
            variable.assign(tf.identity(other))
            other.assign(value)

    def values(self) -> tuple[np.ndarray, ...]:
        """Copies the second values."""
        return tuple(np.array(other.numpy()) for other in self._others)

    def _move(self) -> None:
        for other, variable in zip(self._others, self._variables, strict=True):
            other.assign_add((1 - self._momentum) * (tf.convert_to_tensor(variable.value) - other))


class InputWait:
    """Measures inside the data set: Keras fetches a batch inside the graph of a step.

    The time is taken before and after the fetch, without Python. With several devices, TensorFlow fetches batches ahead
    for each, and the fetches that fill this buffer count although no step waits for them: the sum is an upper bound
    then.
    """

    def __init__(self) -> None:
        """Starts at 0 seconds."""
        with tf.device("CPU:0"):
            self._seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False)

    @property
    def seconds(self) -> float:
        """Seconds waited so far."""
        return float(self._seconds.numpy())

    def measured(self, data: tf.data.Dataset) -> tf.data.Dataset:
        """Makes a data set of the same elements that measures how long each fetch takes."""
        seconds = self._seconds

        def add(begin: tf.Tensor, element: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            with tf.control_dependencies(tf.nest.flatten(element)):
                added = seconds.assign_add(tf.timestamp() - begin)
            with tf.control_dependencies([added]):
                return tf.nest.map_structure(tf.identity, element)

        begins = tf.data.Dataset.range(np.iinfo(np.int64).max).map(lambda _: tf.timestamp())
        options = tf.data.Options()
        options.experimental_optimization.inject_prefetch = False  # fetched ahead, no time would be measured
        # a zipped data set fetches from its parts in their order
        return tf.data.Dataset.zip((begins, data)).map(add).with_options(options)


shadows = Shadows
input_wait = InputWait


def repeated(batch: Mapping[str, np.ndarray]) -> tf.data.Dataset:
    """Makes a data set whose spec has no batch size, so that one graph serves all sizes."""
    spec = {name: tf.TensorSpec((None, *value.shape[1:]), value.dtype) for name, value in batch.items()}
    return tf.data.Dataset.from_generator(lambda: itertools.repeat(batch), output_signature=spec)


def mirrored(names: Sequence[str]) -> tf.distribute.Strategy:
    """Makes the strategy in which each device has all variables."""
    return tf.distribute.MirroredStrategy(list(names))


def joined(addresses: Sequence[str], index: int) -> tf.distribute.Strategy:
    """Connects this process to the others, all of which must call it at about the same time."""
    spec = tf.train.ClusterSpec({WORKER: list(addresses)})
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        spec, task_type=WORKER, task_id=index, rpc_layer="grpc"
    )
    return tf.distribute.MultiWorkerMirroredStrategy(resolver)


def exchange(strategy: tf.distribute.Strategy) -> Callable[[np.ndarray], np.ndarray]:
    """Gathers with the strategy's own collective operation."""

    def gathered(values: tf.Tensor) -> Any:
        def on_device(row: tf.Tensor) -> tf.Tensor:
            return tf.distribute.get_replica_context().all_gather(tf.identity(row)[None], axis=0)

        return strategy.run(on_device, args=(values,))

    graph = tf.function(gathered, input_signature=[tf.TensorSpec([None], tf.int64)], autograph=False)

    def rows(values: np.ndarray) -> np.ndarray:
        found: np.ndarray = strategy.experimental_local_results(graph(tf.constant(values)))[0].numpy()
        return found

    return rows


def step_function(model: keras.Model, strategy: tf.distribute.Strategy) -> Callable[[Any], Mapping[str, tf.Tensor]]:
    """Makes the graph of a step."""

    def on_device(batch: Mapping[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
        means = model.train_step(batch)
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, means)

    def step(batches: Any) -> Mapping[str, tf.Tensor]:
        found = strategy.run(on_device, args=(next(batches),))
        return {name: strategy.experimental_local_results(value)[0] for name, value in found.items()}

    return tf.function(step, autograph=False, reduce_retracing=True)


def sum_over_devices(values: Sequence[Any]) -> Sequence[Any]:
    """Adds up with the current replica context."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1 or not values:
        return values
    return context.all_reduce(tf.distribute.ReduceOp.SUM, list(values))


def on_all_devices(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls the function in the cross-replica context."""
    return tf.distribute.get_replica_context().merge_call(function, args=arguments)
