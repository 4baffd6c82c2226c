"""Training on one device by Keras alone, for JAX and PyTorch; see `interface.Engine`."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import keras
import numpy as np
from keras import ops

from mrcnn.errors import UserError
from mrcnn.ops.backend.current import native
from mrcnn.structures import RawDetections
from mrcnn.train.engine.interface import Batch, Validated

SEVERAL = False
WRITES_EVENTS = False  # Keras' callback imports TensorFlow
FIRST_STEP = "compiling the first step, which takes minutes on a CPU" if native.COMPILES_STEPS else "the first step"
FILE_ERRORS = ()


def sync(model: keras.Model) -> None:
    """Copies what JAX carries from step to step; a step of PyTorch changes the variables themselves."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def validator(model: keras.Model, data: Any) -> Callable[[Batch], Validated]:
    """Makes a function that JAX compiles for each shape."""
    del data
    graphs: dict[tuple[str, ...], Callable[..., tuple[dict[str, Any], RawDetections]]] = {}

    def run(batch: Batch) -> Validated:
        names = tuple(batch)
        if names not in graphs:
            inputs = [((None, *value.shape[1:]), str(value.dtype)) for value in batch.values()]
            graphs[names] = native.compiled(
                lambda *values: model.validate(dict(zip(names, values, strict=True))),
                inputs,
                weights=lambda: model.variables,
            )
        losses, raw = graphs[names](*batch.values())
        fields = keras.tree.map_structure(ops.convert_to_numpy, raw)
        return {name: float(value) for name, value in losses.items()}, fields

    return run


class Shadows:
    """Second values as tensors."""

    def __init__(self, variables: Sequence[keras.Variable], *, momentum: float):
        """Copies the values."""
        self._variables, self._momentum = list(variables), momentum
        self._others = [_copied(variable) for variable in self._variables]

    def move(self) -> None:
        """Replaces the second values."""
        for index, variable in enumerate(self._variables):
            other = self._others[index]
            self._others[index] = other + (1 - self._momentum) * (_copied(variable) - other)

    def exchange(self) -> None:
        """Exchanges the values one by one, to save memory."""
        for index, variable in enumerate(self._variables):
            value = _copied(variable)
            variable.assign(self._others[index])
            self._others[index] = value

    def values(self) -> tuple[np.ndarray, ...]:
        """Copies the second values."""
        return tuple(np.array(ops.convert_to_numpy(other)) for other in self._others)


def _copied(variable: keras.Variable) -> Any:
    """Copies a value, since a step of JAX frees the arrays of the variables that it changes."""
    return ops.stop_gradient(ops.copy(variable.value))


class InputWait:
    """Measures in Python, where Keras fetches the batches.

    Attributes:
        seconds: waited so far.
    """

    def __init__(self) -> None:
        """Starts at 0 seconds."""
        self.seconds = 0.0

    def measured(self, data: keras.utils.PyDataset) -> keras.utils.PyDataset:
        """Makes training data of the same batches that measures how long each fetch takes."""
        return _Measured(data, self)


class _Endless(keras.utils.PyDataset):
    @property
    def num_batches(self) -> None:
        """None: the data has no end."""


class _Measured(_Endless):
    def __init__(self, data: keras.utils.PyDataset, wait: InputWait):
        super().__init__()
        self._data, self._wait = data, wait

    def __getitem__(self, index: int) -> Batch:
        began = time.monotonic()
        batch = self._data[index]
        self._wait.seconds += time.monotonic() - began
        return batch

    def close(self) -> None:
        self._data.close()


class _Repeated(_Endless):
    def __init__(self, batch: Batch):
        super().__init__()
        self._batch = dict(batch)

    def __getitem__(self, index: int) -> Batch:
        return self._batch


shadows = Shadows
input_wait = InputWait


def repeated(batch: Mapping[str, np.ndarray]) -> keras.utils.PyDataset:
    """Makes data whose every batch is the same."""
    return _Repeated(batch)


def mirrored(names: Sequence[str]) -> NoReturn:
    """Not supported: raises a `UserError`."""
    raise UserError(f"several devices need TensorFlow, but Keras runs on {native.NAME}: list one GPU in `gpu_devices`")


def joined(addresses: Sequence[str], index: int) -> NoReturn:
    """Not supported: raises a `UserError`."""
    raise UserError(f"training in several processes needs TensorFlow, but Keras runs on {native.NAME}")


def exchange(strategy: Any) -> NoReturn:
    """Not supported: raises the error of `joined`."""
    joined((), 0)


def step_function(model: keras.Model, strategy: Any) -> NoReturn:
    """Not supported: raises the error of `joined`."""
    joined((), 0)


def sum_over_devices(values: Sequence[Any]) -> Sequence[Any]:
    """Returns the tensors unchanged."""
    return values


def on_all_devices(function: Callable[..., Any], *arguments: Any) -> NoReturn:
    """Not supported: raises a `UserError`."""
    raise UserError(f"`optimizer.accumulation_steps` needs TensorFlow, but Keras runs on {native.NAME}: set it to 1")
