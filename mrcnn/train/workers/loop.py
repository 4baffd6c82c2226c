"""The training loop of several workers, instead of Keras's `fit`.

`fit` fails under `MultiWorkerMirroredStrategy` (keras-team/keras#20585). This loop makes the steps with the model's own
`train_step` and calls the callbacks in the order of `fit`.
"""

from collections.abc import Sequence
from typing import Any

import keras

from mrcnn.ops.backend.current import native
from mrcnn.train.engine.current import engine
from mrcnn.train.workers.peers import Peers


def fit(
    model: keras.Model,
    data: Any,
    callbacks: Sequence[keras.callbacks.Callback],
    *,
    strategy: Any,
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
    with native.training():
        chain = keras.callbacks.CallbackList(list(callbacks), model=model)
        model.stop_training = False
        step = engine.step_function(model, strategy)
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
