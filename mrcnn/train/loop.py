"""Runs Keras's `fit` from the run's position to its end."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from mrcnn.train.clock import Clock

OpenData = Callable[[int, int], tf.data.Dataset]


def fit(
    model: keras.Model, open_data: OpenData, *, clock: Clock, callbacks: Sequence[keras.callbacks.Callback], epochs: int
) -> None:
    """Trains to the end of epoch `epochs`, or until a callback stops it.

    Args:
        model: a compiled model.
        open_data: opens the endless training data at (epoch, step), both from 0.
        clock: the run's position; the first of the callbacks. A resumed run first finishes the epoch it stopped in.
        callbacks: all callbacks, the clock included.
        epochs: epochs of the whole run, those before a resume included.
    """
    first = clock.epoch
    if clock.step == clock.steps_per_epoch:
        _end_epoch(model, first, callbacks)
    elif clock.step:
        steps = clock.steps_per_epoch - clock.step
        _fit(model, open_data(first, clock.step), callbacks, first_epoch=first, epochs=first + 1, steps=steps)
    else:
        first -= 1
    if not model.stop_training and first + 1 < epochs:
        data = open_data(first + 1, 0)
        _fit(model, data, callbacks, first_epoch=first + 1, epochs=epochs, steps=clock.steps_per_epoch)


def _fit(
    model: keras.Model,
    data: tf.data.Dataset,
    callbacks: Sequence[keras.callbacks.Callback],
    *,
    first_epoch: int,
    epochs: int,
    steps: int,
) -> None:
    model.fit(
        data,
        initial_epoch=first_epoch,
        epochs=epochs,
        steps_per_epoch=steps,
        callbacks=list(callbacks),
        shuffle=False,  # the data set sets the order
        verbose=0,
    )


def _end_epoch(model: keras.Model, epoch: int, callbacks: Sequence[keras.callbacks.Callback]) -> None:
    """Ends an epoch as `fit` does, for a run that stopped before the epoch's validation."""
    model.stop_training = False
    together = keras.callbacks.CallbackList(list(callbacks), model=model)
    together.on_train_begin()
    together.on_epoch_begin(epoch)  # the clock restores the epoch's means
    logs = dict(model.get_metrics_result())
    together.on_epoch_end(epoch, logs)
    together.on_train_end(logs)
