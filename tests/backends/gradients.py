"""The losses of a batch and their gradients, by each back end's own differentiation."""

import importlib

import keras
import numpy as np


def of(model, batch):
    """Computes the losses and the gradients of their sum.

    Args:
        model: a `MaskRCNN`.
        batch: arrays by the names of `Batch`.

    Returns:
        The losses by name, with the sum as `loss`, and the gradients by number and name of the trained variables:
        arrays. Keras counts the layers of a process in its paths, so these differ between equal models.
    """
    variables = model.trainable_variables
    losses, slopes = globals()[f"_{keras.config.backend()}"](model, batch, variables)
    names = [f"{number:03}/{'/'.join(variable.path.split('/')[-2:])}" for number, variable in enumerate(variables)]
    named = dict(zip(names, slopes, strict=True))
    return {name: np.array(value) for name, value in losses.items()}, named


def _losses(model, batch):
    tensors = {name: keras.ops.convert_to_tensor(value) for name, value in batch.items()}
    total, parts = model.losses_of(model(tensors, training=True))
    return total, {"loss": total, **parts}


def _tensorflow(model, batch, variables):
    tf = importlib.import_module("tensorflow")
    with tf.GradientTape() as tape:
        total, losses = _losses(model, batch)
    slopes = tape.gradient(total, [variable.value for variable in variables])
    return losses, [np.asarray(tf.convert_to_tensor(slope)) for slope in slopes]


def _jax(model, batch, variables):
    jax = importlib.import_module("jax")

    def run(values):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return _losses(model, batch)

    values = [variable.value for variable in variables]
    (_, losses), slopes = jax.jit(jax.value_and_grad(run, has_aux=True))(values)
    return losses, [np.asarray(slope) for slope in slopes]


def _torch(model, batch, variables):
    total, losses = _losses(model, batch)
    total.backward()
    slopes = [_gradient_of(variable) for variable in variables]
    model.zero_grad()
    return {name: keras.ops.convert_to_numpy(value) for name, value in losses.items()}, slopes


def _gradient_of(variable):
    """Returns what PyTorch stored at a variable; zeros for one without effect."""
    slope = variable.value.grad
    return np.zeros(tuple(variable.shape), np.float32) if slope is None else slope.cpu().numpy()
