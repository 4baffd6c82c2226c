"""The training loop of several workers, instead of Keras's `fit`.

`fit` fails under `MultiWorkerMirroredStrategy` (keras-team/keras#20585). This loop makes the steps with the model's own
`train_step` and calls the callbacks in the order of `fit`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from mrcnn.ops.backend import tensorflow as native
from mrcnn.train.workers.peers import Peers


@native.training()
def fit(
    model: keras.Model,
    data: tf.data.Dataset,
    callbacks: Sequence[keras.callbacks.Callback],
    *,
    strategy: tf.distribute.Strategy,
    peers: Peers,
    epochs: range,
    steps: int,
) -> None:
    """Trains as `keras.Model.fit` does, on all workers together.

    Args:
        model: a compiled model, built in the strategy's scope.
        data: this worker's endless batches, one for each of its devices in turn.
        callbacks: called in every worker; they may differ between the workers. A callback that ends the training in one
            worker ends it in all of them after the epoch.
        strategy: of all workers.
        peers: the workers.
        epochs: the epochs to train, counted from 0.
        steps: of each epoch.
    """
    chain = keras.callbacks.CallbackList(list(callbacks), model=model)
    model.stop_training = False
    step = _step_function(model, strategy)
    batches = iter(strategy.distribute_datasets_from_function(lambda _: data))
    chain.on_train_begin()
    logs: dict[str, Any] = {}
    for epoch in epochs:
        model.reset_metrics()
        chain.on_epoch_begin(epoch)
        for number in range(steps):
            chain.on_train_batch_begin(number)
            logs = {name: float(value) for name, value in step(batches).items()}
            chain.on_train_batch_end(number, logs)
        logs = dict(logs)
        chain.on_epoch_end(epoch, logs)
        model.stop_training = bool(peers.most(int(model.stop_training)))
        if model.stop_training:
            break
    chain.on_train_end(logs)


def _step_function(model: keras.Model, strategy: tf.distribute.Strategy) -> Callable[[Any], Mapping[str, tf.Tensor]]:
    """Makes the graph of a step, which returns the means of the epoch so far over all devices."""

    def on_device(batch: Mapping[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
        means = model.train_step(batch)
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, means)

    def step(batches: Any) -> Mapping[str, tf.Tensor]:
        found = strategy.run(on_device, args=(next(batches),))
        return {name: strategy.experimental_local_results(value)[0] for name, value in found.items()}

    return tf.function(step, autograph=False, reduce_retracing=True)
