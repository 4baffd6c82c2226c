"""Builds the optimizer, whose clipping and weight decay are correct on several devices.

Keras clips each device's own gradient before it adds the devices' gradients up, so two devices would not equal one.
Here the gradients are added up over the devices first, and every device clips the same sum; Keras's own sum is switched
off. For float16 they are added up before the loss scale's check, so that all devices skip a step together. Weight decay
of the form `gradient` joins a gradient that is unscaled, summed over the devices and clipped already.
Source: Matterport's SGD with momentum 0.9 and Keras 2.0-2.2's `clipnorm`, which was the global norm; torch's SGD for
the form `gradient`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import keras

from mrcnn.ops.backend.current import native
from mrcnn.train.gradients import Accumulated, Decayed, Shared, Waiting

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


@keras.saving.register_keras_serializable(package="mrcnn")
class OwnSGD(Accumulated, Waiting, Decayed, keras.optimizers.SGD):
    """SGD with gradient accumulation, weight decay in the gradient, and less memory for momentum."""


@keras.saving.register_keras_serializable(package="mrcnn")
class OwnAdam(Accumulated, Decayed, keras.optimizers.Adam):
    """Adam with gradient accumulation and weight decay in the gradient."""


@keras.saving.register_keras_serializable(package="mrcnn")
class OwnAdamW(Accumulated, keras.optimizers.AdamW):
    """AdamW with gradient accumulation."""


@keras.saving.register_keras_serializable(package="mrcnn")
class SharedSGD(Shared, OwnSGD):
    """SGD for several devices."""


@keras.saving.register_keras_serializable(package="mrcnn")
class SharedAdam(Shared, OwnAdam):
    """Adam for several devices."""


@keras.saving.register_keras_serializable(package="mrcnn")
class SharedAdamW(Shared, OwnAdamW):
    """AdamW for several devices."""


@keras.saving.register_keras_serializable(package="mrcnn")
class SharedLossScale(Shared, keras.optimizers.LossScaleOptimizer):
    """Loss scaling for several devices, around an optimizer for one."""


_KERAS = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}
_OWN = {"sgd": OwnSGD, "adam": OwnAdam, "adamw": OwnAdamW}
_SHARED = {"sgd": SharedSGD, "adam": SharedAdam, "adamw": SharedAdamW}


def build_optimizer(
    learning_rate: keras.optimizers.schedules.LearningRateSchedule | float,
    *,
    name: OptimizerName = "sgd",
    momentum: float = 0.9,
    nesterov: bool = False,
    global_clipnorm: float | None = 5.0,
    decay: Decay = NO_DECAY,
    accumulation_steps: int = 1,
    num_replicas: int = 1,
    loss_scale: bool = False,
) -> keras.optimizers.Optimizer:
    """Builds the optimizer of a run.

    It is Keras's own where none of this project's additions is needed.

    Args:
        learning_rate: a number or a schedule of the step.
        name: `sgd`, `adam` or `adamw`.
        momentum: momentum of SGD, or `beta_1` of Adam and AdamW.
        nesterov: whether SGD uses Nesterov momentum; the others ignore it.
        global_clipnorm: the largest norm of all gradients together; None does not clip.
        decay: weight decay, which is independent of the loss's L2 term.
        accumulation_steps: steps whose gradients are averaged for one update.
        num_replicas: devices that share a batch. Their losses must add up to the loss of the whole batch.
        loss_scale: whether to scale the loss dynamically, as float16 needs; gradients are unscaled before clipping.

    Raises:
        ValueError: the form is `gradient` for AdamW, which is decoupled by definition.
    """
    in_gradient = decay.factor if decay.form == "gradient" else 0.0
    decoupled = decay.factor - in_gradient
    if in_gradient and name == "adamw":
        raise ValueError(f"the decay of {name} must be decoupled, got {decay.form!r}")
    arguments: dict[str, Any] = {
        "learning_rate": learning_rate,
        "global_clipnorm": global_clipnorm or None,
        "weight_decay": decoupled if decoupled or name == "adamw" else None,  # AdamW needs a number
    }
    arguments |= {"momentum": momentum, "nesterov": nesterov} if name == "sgd" else {"beta_1": momentum}
    arguments |= {"gradient_decay": in_gradient} if in_gradient else {}
    arguments |= {"accumulation_steps": accumulation_steps} if accumulation_steps > 1 else {}
    if num_replicas > 1 and not loss_scale:
        classes = _SHARED
    elif in_gradient or accumulation_steps > 1 or (name == "sgd" and native.RUNS_WHEN_READY):
        classes = _OWN
    else:
        classes = _KERAS  # on PyTorch they update all variables at once
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
