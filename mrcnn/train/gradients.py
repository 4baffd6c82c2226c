"""Mixins of Keras optimizers that change gradients before an update.

The order is: add up over the devices, accumulate over several steps, clip (Keras), add weight decay. Keras's own
accumulation (`gradient_accumulation_steps`) fails on several devices, because gradients cannot be added up over the
devices inside a `tf.cond`, and its learning-rate schedule counts steps instead of updates.
"""

from typing import Any

import keras
from keras import ops

from mrcnn.models import keras_internals
from mrcnn.ops.backend.current import native
from mrcnn.train.engine.current import engine


class Shared(keras.optimizers.Optimizer):
    """Mixin that adds the gradients up over the devices before the optimizer applies them.

    Keras alone would do so after clipping, so each device would clip its own gradients.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Stores the arguments, which are Keras's."""
        super().__init__(*args, **kwargs)
        keras_internals.take_summed_gradients(getattr(self, "inner_optimizer", self))

    def apply(self, grads, trainable_variables=None):
        """Updates the variables with the sums of the gradients.

        Must run on every device, inside `strategy.run`.
        """
        super().apply(sum_over_devices(grads), trainable_variables)


class Accumulated(keras.optimizers.Optimizer):
    """Mixin that updates the variables once in several steps, with the mean of their gradients.

    `iterations` counts updates, and so does the learning-rate schedule. The sums of an update in progress are variables
    of the optimizer, so a resumed run goes on with them.
    """

    def __init__(self, *args: Any, accumulation_steps: int = 1, **kwargs: Any) -> None:
        """Stores the number of steps; the other arguments are Keras's."""
        super().__init__(*args, **kwargs)
        self.accumulation_steps = accumulation_steps

    def build(self, variables):
        """Creates the sums and the count of steps, besides Keras's variables."""
        already = self.built
        super().build(variables)
        if self.accumulation_steps > 1 and not already:
            self.gradient_sums = [self.add_variable_from_reference(item, name="sum") for item in variables]
            self.summed_steps = self.add_variable((), dtype="int", aggregation="only_first_replica", name="summed")

    def apply(self, grads, trainable_variables=None):
        """Adds the gradients to the sums, and updates the variables in every n-th step.

        Args:
            grads: gradients of all variables that the optimizer was built for, in their order, equal on all devices;
                None where a variable has none.
            trainable_variables: these variables.
        """
        if self.accumulation_steps == 1:
            super().apply(grads, trainable_variables)
            return
        present = [index for index, gradient in enumerate(grads) if gradient is not None]
        variables = None if trainable_variables is None else list(trainable_variables)
        if not self.built and variables:
            self.build(variables)

        def on_all_devices(strategy, gradients):
            sums = [self.gradient_sums[index].value for index in present]
            for total, gradient in zip(sums, gradients, strict=True):
                strategy.extended.update(total, _add, args=(gradient,), group=False)
            self.summed_steps.assign_add(1)

            def update():
                strategy.extended.call_for_each_replica(self._update, args=(present, variables))
                for total in sums:
                    strategy.extended.update(total, _clear, group=False)
                self.summed_steps.assign(0)

            ops.cond(ops.equal(self.summed_steps, self.accumulation_steps), update, lambda: None)

        engine.on_all_devices(on_all_devices, [grads[index] for index in present])

    def _update(self, present, variables):
        means = [
            ops.convert_to_tensor(total) / self.accumulation_steps if index in present else None
            for index, total in enumerate(self.gradient_sums)
        ]
        super().apply(means, variables)

    def get_config(self):
        """Adds `accumulation_steps` to Keras's configuration."""
        return {**super().get_config(), "accumulation_steps": self.accumulation_steps}


class Waiting(keras.optimizers.Optimizer):
    """Mixin that begins the update of a variable when its gradient is there.

    Otherwise TensorFlow multiplies all velocities by the momentum, and all weights by their decay in the gradient, at
    the start of a step, and has the products in memory during all of it. Keras applies decoupled decay on its own.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable."""
        with native.after(gradient):
            super().update_step(gradient, variable, learning_rate)


class Decayed(keras.optimizers.Optimizer):
    """Mixin that adds a share of each weight to its gradient."""

    def __init__(self, *args: Any, gradient_decay: float = 0.0, **kwargs: Any) -> None:
        """Stores the factor of the weights; the other arguments are Keras's."""
        super().__init__(*args, **kwargs)
        self.gradient_decay = gradient_decay

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable, whose gradient Keras has clipped."""
        if self.gradient_decay and keras_internals.is_decayed(self, variable):
            gradient = ops.cast(gradient, variable.dtype) + self.gradient_decay * variable
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        """Adds `gradient_decay` to Keras's configuration."""
        return {**super().get_config(), "gradient_decay": self.gradient_decay}


def sum_over_devices(gradients):
    """Adds gradients up over the devices of the current strategy; None entries stay None."""
    present = [gradient for gradient in gradients if gradient is not None]
    reduced = iter(engine.sum_over_devices(present))
    return [None if gradient is None else next(reduced) for gradient in gradients]


def _add(total, gradient):
    total.assign_add(gradient)


def _clear(total):
    total.assign(ops.zeros_like(total))
