"""Builds the optimizer, with gradient clipping that is correct when several devices share a batch.

Keras clips each device's own gradient before it adds the devices' gradients up, so two devices would not equal one.
Here the gradients are averaged over the devices first; every device then clips the same gradient at `norm / n`, and
Keras's sum of n equal gradients is the global gradient clipped at `norm`: clip(g/n, norm/n) n = clip(g, norm).
For float16 the average is taken before the loss scale's check, so that all devices skip a step together.
Source: Matterport's SGD with momentum 0.9 and Keras 2.0-2.2's `clipnorm`, which was the global norm.
"""

from typing import Any, Literal

import keras
import tensorflow as tf

OptimizerName = Literal["sgd", "adam", "adamw"]


class _Shared:
    """Mixin that averages the gradients over the devices before the optimizer applies them."""

    def apply(self, grads, trainable_variables=None):
        """Updates the variables with the averaged gradients.

        Must run on every device, inside `strategy.run`.
        """
        super().apply(_mean_over_devices(grads), trainable_variables)  # type: ignore[misc]


@keras.saving.register_keras_serializable(package="mrcnn")
class SharedSGD(_Shared, keras.optimizers.SGD):
    """SGD for several devices."""


@keras.saving.register_keras_serializable(package="mrcnn")
class SharedAdam(_Shared, keras.optimizers.Adam):
    """Adam for several devices."""


@keras.saving.register_keras_serializable(package="mrcnn")
class SharedAdamW(_Shared, keras.optimizers.AdamW):
    """AdamW for several devices."""


@keras.saving.register_keras_serializable(package="mrcnn")
class SharedLossScale(_Shared, keras.optimizers.LossScaleOptimizer):
    """Loss scaling for several devices, around an optimizer for one."""


_ALONE = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}
_SHARED = {"sgd": SharedSGD, "adam": SharedAdam, "adamw": SharedAdamW}


def build_optimizer(
    learning_rate: keras.optimizers.schedules.LearningRateSchedule | float,
    *,
    name: OptimizerName = "sgd",
    momentum: float = 0.9,
    nesterov: bool = False,
    global_clipnorm: float | None = 5.0,
    weight_decay: float = 0.0,
    num_replicas: int = 1,
    loss_scale: bool = False,
) -> keras.optimizers.Optimizer:
    """Builds the optimizer of a run; on one device it is Keras's own.

    Args:
        learning_rate: a number or a schedule of the step.
        name: `sgd`, `adam` or `adamw`.
        momentum: momentum of SGD, or `beta_1` of Adam and AdamW.
        nesterov: whether SGD uses Nesterov momentum; the others ignore it.
        global_clipnorm: the largest norm of all gradients together; None does not clip.
        weight_decay: decoupled weight decay, which is independent of the loss's L2 term; 0 for none.
        num_replicas: devices that share a batch. Their losses must add up to the loss of the whole batch.
        loss_scale: whether to scale the loss dynamically, as float16 needs; gradients are unscaled before clipping.
    """
    share_inside = num_replicas > 1 and not loss_scale
    arguments: dict[str, Any] = {
        "learning_rate": learning_rate,
        "global_clipnorm": global_clipnorm / num_replicas if global_clipnorm else None,
        "weight_decay": weight_decay if weight_decay or name == "adamw" else None,  # AdamW needs a number
    }
    arguments |= {"momentum": momentum, "nesterov": nesterov} if name == "sgd" else {"beta_1": momentum}
    optimizer = (_SHARED if share_inside else _ALONE)[name](**arguments)
    if not loss_scale:
        return optimizer
    wrapper = SharedLossScale if num_replicas > 1 else keras.optimizers.LossScaleOptimizer
    return wrapper(optimizer, name="loss_scale_optimizer")


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
