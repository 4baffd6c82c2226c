"""Defines a format that models are exported to."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from mrcnn.export.exportable import DetectorSettings, Exportable
from mrcnn.predict.outputs import ImageFunction

Images = Collection[np.ndarray]  # may be read again for each iteration, one at a time
FLOAT32, FLOAT16, INT8, DYNAMIC_INT8 = "float32", "float16", "int8", "dynamic_int8"  # kinds of weights


class Format(ABC):
    """Writes a model as files of one kind and opens them again.

    A format knows neither configs nor how models are trained or served. A package that only this format needs is
    imported in its methods by `optional.load`.

    Attributes:
        title: name of the result in messages, such as "SavedModel".
        write_errors: exception types besides `OSError` that mean that a file cannot be written.
        input_shape: shape of the model input, as for `data.resize.resize_plan`, that the files need; None for the
            model's own.
        versions: versions of the libraries that write the files, by name; part of verify.json.
        weights: the kinds of weights that it can write: "float32", and others that `reduce` makes of it.
    """

    title: str
    write_errors: tuple[type[Exception], ...] = ()
    input_shape: str | None = None
    versions: Mapping[str, str] = {}
    weights: tuple[str, ...] = (FLOAT32,)

    def limits(self, settings: DetectorSettings) -> list[str]:
        """Lists warnings on how an exported model behaves differently from the live one.

        Raises:
            UserError: the format cannot hold such a model.
        """
        return []

    @abstractmethod
    def write(self, model: Exportable, folder: Path) -> None:
        """Writes a model.

        Args:
            model: the model with its settings and names.
            folder: an existing, empty folder. The caller adds labels.json and verify.json to it afterwards.

        Raises:
            OSError: a file cannot be written; or one of `write_errors`.
        """

    @abstractmethod
    def open(self, folder: Path, settings: DetectorSettings) -> Mapping[str, ImageFunction]:
        """Opens a written model, for the comparison with the live one.

        Args:
            folder: as given to `write`.
            settings: those of the written model. A format whose files contain only the network passes them to
                `predict.image_function.image_function`.

        Returns:
            Functions of an image `[H, W, channels]` uint8 by name, in the order of comparison, at least one. Each
            returns the outputs of `outputs.of_detections`; `probabilities` may be missing.
        """

    def reduce(self, folder: Path, *, weights: str, images: Images, settings: DetectorSettings) -> None:
        """Replaces the weights of a written model by smaller ones.

        Args:
            folder: as given to `write`.
            weights: one of `weights`, not "float32".
            images: to measure the ranges of values on, `[H, W, channels]` uint8; only for "int8".
            settings: those of the written model.

        Raises:
            NotImplementedError: the format writes float32 alone.
        """
        raise NotImplementedError(f"a {self.title} has no {weights} weights")
