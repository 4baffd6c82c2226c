"""LiteRT, formerly TensorFlow Lite: the network for one size of the model input, for phones and small computers.

    model.tflite    the network with the weights, and behind them a ZIP archive with the classes and the settings

A LiteRT graph has fixed shapes, so resizing an image and pasting its masks stay outside, see `predict.image_function`.
Only LiteRT's own operators are used, none of TensorFlow's ("Flex").
"""

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from mrcnn import optional
from mrcnn.errors import UserError, one_line
from mrcnn.export import metadata
from mrcnn.export.exportable import DetectorSettings, Exportable
from mrcnn.export.formats import litert_weights
from mrcnn.export.formats.format import DYNAMIC_INT8, FLOAT16, FLOAT32, INT8, Images
from mrcnn.export.formats.litert_weights import EXTRA, PURPOSE
from mrcnn.export.formats.one_file import OneFile
from mrcnn.predict.runtimes import litert as runtime

FILE = "model.tflite"
NETWORK = "network"  # name of the function
MOST_REASON = 200  # characters kept of the text of a converter's error


class LiteRT(OneFile):
    """Writes a LiteRT file and opens it in LiteRT on the CPU."""

    title = runtime.TITLE
    versions: Mapping[str, str] = {"tensorflow": tf.__version__, **optional.versions(EXTRA)}
    input_shape = "square"
    weights = (FLOAT32, FLOAT16, INT8, DYNAMIC_INT8)
    extra, purpose, function, file = EXTRA, PURPOSE, NETWORK, FILE

    def limits(self, settings: DetectorSettings) -> list[str]:
        """Checks that LiteRT is installed, and says what size the model input has; see `Format.limits`.

        Raises:
            UserError: LiteRT is not installed.
        """
        side = settings.max_dim
        return [
            *super().limits(settings),
            f"a LiteRT file has one size of the model input: images are scaled and padded to {side}x{side} pixels",
        ]

    def write(self, model: Exportable, folder: Path) -> None:
        """Converts the network and appends the metadata; see `Format.write`.

        Raises:
            UserError: LiteRT has no operator for a part of the model.
        """
        side = model.settings.max_dim
        images = tf.TensorSpec([1, side, side, model.settings.channels], tf.float32, name=runtime.IMAGES)
        windows = tf.TensorSpec([1, 4], tf.float32, name=runtime.WINDOWS)
        module = tf.Module(name="network")
        module.variables_of_model = model.variables
        with model.fixed_shapes():
            module.find = tf.function(model.detect, input_signature=[images, windows])
            traced = module.find.get_concrete_function()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], module)
        try:
            converted = converter.convert()
        except Exception as error:  # the converter's exceptions have no other base class
            reason = one_line(str(error), most=MOST_REASON)
            raise UserError(f"LiteRT cannot hold this model, export it as saved_model: {reason}") from error
        path = folder / FILE
        path.write_bytes(converted)
        litert_weights.append_metadata(path, metadata.texts(model))

    def reduce(self, folder: Path, *, weights: str, images: Images, settings: DetectorSettings) -> None:
        """Reduces the weights; see `Format.reduce`."""
        litert_weights.reduce(folder / FILE, weights=weights, images=images, rules=settings)
