"""Keras's usual methods of a model: each works, or one line says what to use instead."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

STRIDE = 64  # of the pyramid's coarsest level: the sides of a model input are multiples of it
TRAIN = "mrcnn.train.run.train(config, project_dir=..., output_dir=..., log=...)"
PREDICT = "mrcnn.predict.predictor.Predictor.load(model_folder).predict(images)"


class KerasHabits(keras.Model):
    """A detector that `predict` and a call feed with plain arrays of images, too."""

    def __call__(self, batch, *args, **kwargs):
        """Runs the model on a batch, or on an array of images as `as_batch` takes it."""
        return super().__call__(as_batch(batch), *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """Detects in a batch or an array of images of the model input's size: raw detections in its pixels."""
        return super().predict(as_batch(x), *args, **kwargs)

    def predict_on_batch(self, x):
        """Does what `predict` does with one batch."""
        return super().predict_on_batch(as_batch(x))

    def fit(self, x=None, *args, **kwargs):
        """Trains on the batches of `mrcnn.data.pipeline.train_dataset`, once the model is compiled.

        Raises:
            TypeError: the data are arrays, or the model is not compiled.
        """
        if not self.compiled or isinstance(x, list | tuple) or hasattr(x, "__array__"):
            raise TypeError(f"a Mask R-CNN is not trained on arrays: use {TRAIN}")
        return super().fit(x, *args, **kwargs)

    def train_on_batch(self, *args, **kwargs):
        """Refuses.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"a Mask R-CNN is not trained batch by batch: use {TRAIN}")

    def evaluate(self, *args, **kwargs):
        """Refuses.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            "a Mask R-CNN is evaluated on a project: use mrcnn.evaluate.run.evaluate(predictor, source, log=...) or "
            "python -m mrcnn evaluate"
        )

    def test_on_batch(self, *args, **kwargs):
        """Refuses as `evaluate` does."""
        self.evaluate()

    def export(self, *args, **kwargs):
        """Refuses.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            "the network alone takes no image of another size: use mrcnn.export.saved_model.export(model_folder, "
            "out_dir, log=...) or deploy.py export"
        )


def as_batch(batch: Any) -> Any:
    """Returns a batch as it is, or makes one of an array of images that fill the model input.

    Args:
        batch: a dictionary or another kind of data, returned as it is; or `[B, S, S, channels]` uint8 or float32, RGB
            0..255, S a multiple of 64.

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
