"""Runs Keras's `fit`, or the loop of several workers, from the run's position to its end."""

from collections.abc import Callable, Sequence

import keras

from mrcnn.data import streams
from mrcnn.data.streams import Batches
from mrcnn.train.clock import Clock
from mrcnn.train.devices import Devices
from mrcnn.train.workers import loop as worker_loop
from mrcnn.train.workers.peers import ALONE, Peers

OpenData = Callable[[int, int], Batches]


def fit(
    model: keras.Model,
    open_data: OpenData,
    *,
    clock: Clock,
    callbacks: Sequence[keras.callbacks.Callback],
    epochs: int,
    devices: Devices | None = None,
) -> None:
    """Trains to the end of epoch `epochs`, or until a callback stops it.

    Args:
        model: a compiled model.
        open_data: opens the endless training data at (epoch, step), both from 0.
        clock: the run's position; the first of the callbacks. A resumed run first finishes the epoch it stopped in.
        callbacks: all callbacks, the clock included.
        epochs: epochs of the whole run, those before a resume included.
        devices: the devices of the run; None for one.
    """
    first = clock.epoch
    if clock.step == clock.steps_per_epoch:
        _end_epoch(model, first, callbacks, peers=devices.peers if devices else ALONE)
    elif clock.step:
        steps = clock.steps_per_epoch - clock.step
        data = open_data(first, clock.step)
        _fit(model, data, callbacks, epochs=range(first, first + 1), steps=steps, devices=devices)
    else:
        first -= 1
    if not model.stop_training and first + 1 < epochs:
        data, following = open_data(first + 1, 0), range(first + 1, epochs)
        _fit(model, data, callbacks, epochs=following, steps=clock.steps_per_epoch, devices=devices)


def _fit(
    model: keras.Model,
    data: Batches,
    callbacks: Sequence[keras.callbacks.Callback],
    *,
    epochs: range,
    steps: int,
    devices: Devices | None,
) -> None:
    if devices and devices.strategy and devices.peers.count > 1:
        worker_loop.fit(
            model, data, callbacks, strategy=devices.strategy, peers=devices.peers, epochs=epochs, steps=steps
        )
        return
    try:
        model.fit(
            data,
            initial_epoch=epochs.start,
            epochs=epochs.stop,
            steps_per_epoch=steps,
            callbacks=list(callbacks),
            shuffle=False,  # the data set sets the order
            verbose=0,
        )
    finally:
        streams.close(data)


def _end_epoch(model: keras.Model, epoch: int, callbacks: Sequence[keras.callbacks.Callback], *, peers: Peers) -> None:
    """Ends an epoch as `fit` does, for a run that stopped before the epoch's validation."""
    model.stop_training = False
    together = keras.callbacks.CallbackList(list(callbacks), model=model)
    together.on_train_begin()
    together.on_epoch_begin(epoch)  # the clock restores the epoch's means
    logs = dict(model.get_metrics_result())
    together.on_epoch_end(epoch, logs)
    together.on_train_end(logs)
    model.stop_training = bool(peers.most(int(model.stop_training)))
