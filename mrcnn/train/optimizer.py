"""Builds the optimizer, with clipping and weight decay that are correct when several devices share a batch.

Keras clips each device's own gradient before it adds the devices' gradients up, so two devices would not equal one.
Here the gradients are averaged over the devices first; every device then clips the same gradient at `norm / n`, and
Keras's sum of n equal gradients is the global gradient clipped at `norm`: clip(g/n, norm/n) n = clip(g, norm).
For float16 the average is taken before the loss scale's check, so that all devices skip a step together.
Weight decay of the form `gradient` joins a gradient that is unscaled, clipped and summed over the devices already.
Source: Matterport's SGD with momentum 0.9 and Keras 2.0-2.2's `clipnorm`, which was the global norm; torch's SGD for
the form `gradient`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import keras
import tensorflow as tf
from keras import ops

from mrcnn.models import keras_internals

OptimizerName = Literal["sgd", "adam", "adamw"]
DecayForm = Literal["decoupled", "gradient"]
NORM_NAMES = ("gamma", "beta")  # Keras's names of a normalisation's variables
BIAS_NAMES = ("bias",)


class Decay(NamedTuple):
    """Weight decay of an optimizer, besides the L2 term of the loss.

    Attributes:
        factor: of the weights; 0 for none.
        form: `decoupled`: `learning rate * factor * weight` is subtracted from a weight; `gradient`: `factor * weight`
            is added to its gradient after clipping and before momentum.
        undecayed: variables without decay.
    """

    factor: float = 0.0
    form: DecayForm = "decoupled"
    undecayed: Sequence[keras.Variable] = ()


NO_DECAY = Decay()


class _GradientDecay:
    """Mixin that adds a share of each weight to its gradient."""

    def __init__(self, *args: Any, gradient_decay: float = 0.0, **kwargs: Any) -> None:
        """Stores the factor of the weights; the other arguments are Keras's."""
        super().__init__(*args, **kwargs)
        self.gradient_decay = gradient_decay

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable; Keras has clipped the gradient and summed it over the devices."""
        if self.gradient_decay and keras_internals.is_decayed(self, variable):
            gradient = ops.cast(gradient, variable.dtype) + self.gradient_decay * variable
        super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]

    def get_config(self):
        """Adds `gradient_decay` to Keras's configuration."""
        return {**super().get_config(), "gradient_decay": self.gradient_decay}  # type: ignore[misc]


@keras.saving.register_keras_serializable(package="mrcnn")
class DecayingSGD(_GradientDecay, keras.optimizers.SGD):
    """SGD with weight decay in the gradient."""


@keras.saving.register_keras_serializable(package="mrcnn")
class DecayingAdam(_GradientDecay, keras.optimizers.Adam):
    """Adam with weight decay in the gradient."""


class _Shared:
    """Mixin that averages the gradients over the devices before the optimizer applies them."""

    def apply(self, grads, trainable_variables=None):
        """Updates the variables with the averaged gradients.

        Must run on every device, inside `strategy.run`.
        """
        super().apply(_mean_over_devices(grads), trainable_variables)  # type: ignore[misc]


@keras.saving.register_keras_serializable(package="mrcnn")
class SharedSGD(_Shared, DecayingSGD):
    """SGD for several devices."""


@keras.saving.register_keras_serializable(package="mrcnn")
class SharedAdam(_Shared, DecayingAdam):
    """Adam for several devices."""


@keras.saving.register_keras_serializable(package="mrcnn")
class SharedAdamW(_Shared, keras.optimizers.AdamW):
    """AdamW for several devices."""


@keras.saving.register_keras_serializable(package="mrcnn")
class SharedLossScale(_Shared, keras.optimizers.LossScaleOptimizer):
    """Loss scaling for several devices, around an optimizer for one."""


_ALONE = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}
_DECAYING = {"sgd": DecayingSGD, "adam": DecayingAdam}
_SHARED = {"sgd": SharedSGD, "adam": SharedAdam, "adamw": SharedAdamW}


def build_optimizer(
    learning_rate: keras.optimizers.schedules.LearningRateSchedule | float,
    *,
    name: OptimizerName = "sgd",
    momentum: float = 0.9,
    nesterov: bool = False,
    global_clipnorm: float | None = 5.0,
    decay: Decay = NO_DECAY,
    num_replicas: int = 1,
    loss_scale: bool = False,
) -> keras.optimizers.Optimizer:
    """Builds the optimizer of a run; on one device, without decay in the gradient, it is Keras's own.

    Args:
        learning_rate: a number or a schedule of the step.
        name: `sgd`, `adam` or `adamw`.
        momentum: momentum of SGD, or `beta_1` of Adam and AdamW.
        nesterov: whether SGD uses Nesterov momentum; the others ignore it.
        global_clipnorm: the largest norm of all gradients together; None does not clip.
        decay: weight decay, which is independent of the loss's L2 term.
        num_replicas: devices that share a batch. Their losses must add up to the loss of the whole batch.
        loss_scale: whether to scale the loss dynamically, as float16 needs; gradients are unscaled before clipping.

    Raises:
        ValueError: decay in the gradient is asked of AdamW, which is decoupled by definition.
    """
    in_gradient = decay.factor if decay.form == "gradient" else 0.0
    decoupled = decay.factor - in_gradient
    if in_gradient and name not in _DECAYING:
        raise ValueError(f"the decay of {name} must be decoupled, got {decay.form!r}")
    share_inside = num_replicas > 1 and not loss_scale
    arguments: dict[str, Any] = {
        "learning_rate": learning_rate,
        "global_clipnorm": global_clipnorm / num_replicas if global_clipnorm else None,
        "weight_decay": decoupled if decoupled or name == "adamw" else None,  # AdamW needs a number
    }
    arguments |= {"momentum": momentum, "nesterov": nesterov} if name == "sgd" else {"beta_1": momentum}
    if in_gradient:
        arguments["gradient_decay"] = in_gradient
    classes: dict[str, Any] = _SHARED if share_inside else {**_ALONE, **(_DECAYING if in_gradient else {})}
    optimizer = classes[name](**arguments)
    optimizer.exclude_from_weight_decay(var_list=list(decay.undecayed))
    if not loss_scale:
        return optimizer
    wrapper = SharedLossScale if num_replicas > 1 else keras.optimizers.LossScaleOptimizer
    return wrapper(optimizer, name="loss_scale_optimizer")


def undecayed(variables: Iterable[keras.Variable], *, norms: bool, biases: bool) -> list[keras.Variable]:
    """Lists the variables that weight decay leaves out.

    Args:
        variables: of the model, recognised by their Keras names.
        norms: whether the scales and shifts of normalisations decay.
        biases: whether biases decay.
    """
    names = (() if norms else NORM_NAMES) + (() if biases else BIAS_NAMES)
    return [variable for variable in variables if variable.name in names]


def _mean_over_devices(gradients):
    """Averages gradients over the devices of the current strategy; None entries stay None."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return gradients
    present = [gradient for gradient in gradients if gradient is not None]
    if not present:
        return gradients
    reduced = iter(context.all_reduce(tf.distribute.ReduceOp.MEAN, present))
    return [None if gradient is None else next(reduced) for gradient in gradients]
