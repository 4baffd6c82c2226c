"""The interface of the engines: modules whose functions and classes are those of `Engine`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np

from mrcnn.structures import RawDetections

Batch = Mapping[str, Any]  # tensors or arrays by field
Validated = tuple[dict[str, float], RawDetections]  # losses by name, detections as NumPy arrays


class Shadows(Protocol):
    """Second values of variables, such as their moving averages."""

    def move(self) -> None:
        """Moves the second values towards those of the variables, by the rest of the momentum."""

    def exchange(self) -> None:
        """Exchanges the values of the variables with the second ones."""

    def values(self) -> tuple[np.ndarray, ...]:
        """Copies the second values."""


class InputWait(Protocol):
    """Adds up how long training data was waited for.

    Attributes:
        seconds: waited so far.
    """

    seconds: float

    def measured(self, data: Any) -> Any:
        """Makes training data of the same batches that measures how long each fetch takes."""


class Engine(Protocol):
    """Interface of an engine.

    Attributes:
        SEVERAL: whether several devices or processes can share a batch, and updates can wait for several steps.
        WRITES_EVENTS: whether Keras' callback for TensorBoard works.
        FIRST_STEP: what the log says before the first step.
        FILE_ERRORS: types of the errors that the back end raises for files and connections.
    """

    SEVERAL: bool
    WRITES_EVENTS: bool
    FIRST_STEP: str
    FILE_ERRORS: tuple[type[Exception], ...]

    def sync(self, model: keras.Model) -> None:
        """Stores the state of a `fit` in progress in the variables of the model and its optimizer."""

    def validator(self, model: keras.Model, data: Any) -> Callable[[Batch], Validated]:
        """Makes the function that computes the losses and the detections of a batch of `data`."""

    def shadows(self, variables: Sequence[keras.Variable], *, momentum: float) -> Shadows:
        """Copies variables as the start of their moving averages."""

    def input_wait(self) -> InputWait:
        """Starts a measurement at 0 seconds."""

    def repeated(self, batch: Mapping[str, np.ndarray]) -> Any:
        """Makes endless training data of one batch; batches of other sizes need no new graph if possible."""

    def mirrored(self, names: Sequence[str]) -> Any:
        """Makes TensorFlow's strategy for several devices of this process, by their names."""

    def joined(self, addresses: Sequence[str], index: int) -> Any:
        """Makes TensorFlow's strategy for several processes.

        Args:
            addresses: of all workers.
            index: of this process among them.
        """

    def exchange(self, strategy: Any) -> Callable[[np.ndarray], np.ndarray]:
        """Makes the function that collects `[n]` int64 of the workers: `[devices, n]`, in the order of the workers."""

    def step_function(self, model: keras.Model, strategy: Any) -> Callable[[Any], Mapping[str, Any]]:
        """Makes the training step of several workers.

        Returns:
            A function of an iterator of batches, which returns the means of the epoch so far over all devices.
        """

    def sum_over_devices(self, values: Sequence[Any]) -> Sequence[Any]:
        """Adds tensors up over the devices of the current strategy; on one device they are unchanged."""

    def on_all_devices(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function once for all devices, with the strategy and the arguments of each device together."""
