"""Keras's usual model methods: each works, or raises an error that names the replacement."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import keras
import numpy as np
from keras import ops

from mrcnn.ops import accelerator
from mrcnn.ops.backend.current import native
from mrcnn.structures import RawDetections

STRIDE = 64  # of the pyramid's coarsest level: the sides of a model input are multiples of it
IN_PIXELS = ("windows", "gt_boxes", "boxes", "gt_keypoints", "gt_mask_points")  # fields that may be whole numbers
TRAIN = "mrcnn.train.run.train(config, project_dir=..., output_dir=..., log=...)"
PREDICT = "mrcnn.predict.predictor.Predictor.load(model_folder).predict(images)"


class KerasHabits(keras.Model):
    """Keras model for detection; its call and `predict` also accept arrays of images."""

    def use_fixed_slots(self, fixed: bool) -> None:
        """Chooses whether graphs traced from now on have fixed shapes.

        Does nothing for a model whose shapes are always fixed.
        """

    def __call__(self, batch: Any, *args: Any, **kwargs: Any) -> Any:
        """Runs the model on a batch or an array of images.

        Args:
            batch: see `as_batch`.
            *args: of the Keras model.
            **kwargs: of the Keras model.
        """
        batch = as_batch(batch)
        return super().__call__(as_tensors(batch) if isinstance(batch, Mapping) else batch, *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> RawDetections:
        """Detects objects in batches or in an array of images.

        Args:
            x: see `as_batch`.
            *args: of Keras's `predict`.
            **kwargs: of Keras's `predict`.

        Returns:
            `RawDetections` in pixels of the model input.
        """
        return super().predict(as_batch(x), *args, **kwargs)

    def predict_on_batch(self, x: Any) -> RawDetections:
        """Detects objects in one batch, as `predict` does."""
        return super().predict_on_batch(as_batch(x))

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Configures the training, as Keras's `compile` does, but without XLA unless `jit_compile` asks for it.

        XLA compiles anew for each shape, so with it the graph has fixed shapes, except for the sides of the images. On
        JAX the steps are compiled by XLA unless `jit_compile` or `run_eagerly` says otherwise.

        Args:
            *args: of Keras's `compile`.
            **kwargs: of Keras's `compile`.
        """
        compiled = kwargs.get("jit_compile")
        if compiled is None:
            compiled = native.COMPILES_STEPS and not kwargs.get("run_eagerly")
        self.use_fixed_slots(bool(compiled) or accelerator.prefers_fixed_shapes())
        super().compile(*args, **{**kwargs, "jit_compile": compiled})

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Trains the compiled model on batches of `mrcnn.api.open_data` or `mrcnn.data.pipeline.train_dataset`.

        The batches come in their own random order, so `shuffle` is off by default.

        Args:
            x: a data set of batches.
            *args: of Keras's `fit`.
            **kwargs: of Keras's `fit`.

        Returns:
            Keras's `History`.

        Raises:
            TypeError: the data are arrays, or the model is not compiled.
        """
        if not self.compiled or isinstance(x, list | tuple) or hasattr(x, "__array__"):
            raise TypeError(f"a Mask R-CNN is not trained on arrays: use {TRAIN}")
        with native.training():  # equal runs of one seed; graphs freed with the model
            return super().fit(x, *args, **{"shuffle": False, **kwargs})

    def train_on_batch(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not supported: the error names the function that trains.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"a Mask R-CNN is not trained batch by batch: use {TRAIN}")

    def evaluate(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not supported: the error names the function that evaluates.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            "a Mask R-CNN is evaluated on a project or COCO JSON: use mrcnn.evaluate.run.evaluate(predictor, source, "
            "log=...) or python -m mrcnn evaluate"
        )

    def test_on_batch(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not supported: raises the error of `evaluate`.

        Raises:
            TypeError: always.
        """
        self.evaluate()

    def export(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not supported: the error names the function that exports.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            "the network alone takes no image of another size: use mrcnn.export.run.export(model_folder, "
            "out_dir, log=...) or deploy.py export"
        )


def as_batch(batch: Any) -> Any:
    """Converts an array of images to a batch; leaves other data unchanged.

    Args:
        batch: `[B, H, W, channels]` uint8 or float32, RGB 0..255, H and W multiples of 64, without padding; a
            dictionary or other data without `__array__` is left unchanged.

    Returns:
        A dictionary with the images as float32 and `windows` that cover them; or the argument itself.

    Raises:
        TypeError: a list, or an array of another shape.
    """
    if isinstance(batch, list | tuple):
        raise TypeError(f"images must be one array [batch, height, width, channels], got a list: use {PREDICT}")
    if isinstance(batch, Mapping) or not hasattr(batch, "__array__"):
        return batch
    shape = np.shape(batch)
    if len(shape) != 4 or 0 in shape or shape[1] % STRIDE or shape[2] % STRIDE:
        raise TypeError(
            f"images must be [batch, height, width, channels] with sides that are multiples of {STRIDE}, got "
            f"{list(shape)}: for images of any size use {PREDICT}"
        )
    windows = np.tile(np.array([[0, 0, shape[1], shape[2]]], np.float32), (shape[0], 1))
    return {"images": np.asarray(batch, np.float32), "windows": windows}


def on_tensors(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of a model's methods: NumPy arrays of the batch and of named arguments become tensors.

    PyTorch has no operations of tensors with arrays.

    Args:
        method: of a model; takes the batch and named arguments.
    """

    @functools.wraps(method)
    def call(self: Any, batch: Mapping[str, Any], **given: Any) -> Any:
        return method(self, as_tensors(batch), **as_tensors(given))

    return call


def as_tensors(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Converts NumPy arrays to tensors, of float32 where the numbers are fractions or pixels.

    Args:
        fields: arrays, tensors and other values by name. Tensors of another type than float32 are converted alike.

    Returns:
        The same names; what is neither an array nor a tensor is left unchanged.
    """
    return {name: _tensor(value, in_pixels=name in IN_PIXELS) for name, value in fields.items()}


def _tensor(value: Any, *, in_pixels: bool) -> Any:
    if not isinstance(value, np.ndarray) and not ops.is_tensor(value):
        return value
    value = ops.convert_to_tensor(value)
    dtype = keras.backend.standardize_dtype(value.dtype)
    wanted = "float32" if in_pixels or keras.backend.is_float_dtype(dtype) else dtype
    return value if dtype == wanted else ops.cast(value, wanted)
