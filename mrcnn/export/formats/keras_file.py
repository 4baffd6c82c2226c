"""Keras' own file: the network with its settings and weights, for programs that use Keras and this package.

    model.keras    a ZIP archive as `keras.saving` writes it, with the classes and the settings under `mrcnn/`

It runs on each back end of Keras. Resizing an image and pasting its masks stay outside, see `predict.image_function`.
"""

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import keras

from mrcnn.export import metadata
from mrcnn.export.exportable import DetectorSettings, Exportable
from mrcnn.export.formats.format import Format
from mrcnn.predict import pasted
from mrcnn.predict.outputs import ImageFunction
from mrcnn.predict.runtimes import keras_file as runtime

FILE = "model.keras"
NETWORK = "network"  # name of the function in the proof


class KerasFile(Format):
    """Writes a Keras file and opens it."""

    title = runtime.TITLE
    versions: Mapping[str, str] = {"keras": keras.__version__}

    def write(self, model: Exportable, folder: Path) -> None:
        """Saves the network, and adds the metadata; see `Format.write`."""
        path = folder / FILE
        with warnings.catch_warnings():
            # Keras 3.15 copies variables in a way that NumPy 2 will one day refuse
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            keras.saving.save_model(cast(keras.Model, model.network), path)
        with zipfile.ZipFile(path, "a") as archive:
            for name, text in metadata.texts(model).items():
                archive.writestr(runtime.FOLDER + name, text)

    def open(self, folder: Path, settings: DetectorSettings) -> Mapping[str, ImageFunction]:
        """Opens the file with Keras; see `Format.open`."""
        opened = runtime.open_file(folder / FILE)
        return {NETWORK: lambda image: pasted.dense(opened.run(image, opened.outputs), image.shape[:2])}
