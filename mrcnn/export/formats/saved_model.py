"""TensorFlow's SavedModel: one graph from an image's pixels or bytes to masks of its size.

    saved_model.pb, variables/    the files that TensorFlow and TensorFlow Serving load

A server needs no code of this project. Shape letters: H W the image.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn.export import graph
from mrcnn.export.exportable import DetectorSettings, Exportable
from mrcnn.export.formats.format import Format
from mrcnn.predict.outputs import PROBABILITIES, ImageFunction
from mrcnn.predict.runtimes import saved_model as runtime
from mrcnn.structures import Tensor

IMAGE_SIGNATURE = runtime.SIGNATURE
ENCODED_SIGNATURE = "encoded"
ENCODED_CHANNELS = 3  # channels that a JPEG or PNG is decoded to


class SavedModel(Format):
    """Writes TensorFlow's SavedModel with a signature for pixels and one for encoded images."""

    title = "SavedModel"
    write_errors = (tf.errors.OpError,)
    versions: Mapping[str, str] = {"tensorflow": tf.__version__}

    def limits(self, settings: DetectorSettings) -> list[str]:
        """Warns of models of 16-bit images; see `Format.limits`."""
        if settings.image_range is None:
            return []
        return [
            f"16-bit images of this model are white at {settings.image_range}, but the exported signature "
            "`encoded` divides them by 256: send it 8-bit images, or pixels to the other signature"
        ]

    def write(self, model: Exportable, folder: Path) -> None:
        """Saves the functions of `functions`; see `Format.write`."""
        traced = functions(model)
        module = tf.Module(name="detector")
        module.variables_of_model = model.variables
        # an attribute is saved without being a signature: servers do not offer it
        module.probabilities = traced.pop(PROBABILITIES)
        tf.saved_model.save(module, str(folder), signatures=traced)

    def open(self, folder: Path, settings: DetectorSettings) -> Mapping[str, ImageFunction]:
        """Loads both signatures and the function `probabilities`; see `Format.open`.

        The signature for encoded images gets the image as PNG, which is lossless, so its detections must be the same.
        """
        loaded = tf.saved_model.load(str(folder))
        names = [IMAGE_SIGNATURE, PROBABILITIES, *({ENCODED_SIGNATURE} & set(loaded.signatures))]
        return {name: _opened(loaded, name) for name in names}


def functions(model: Exportable) -> dict[str, Any]:
    """Builds the functions of a SavedModel; they have no state except the weights.

    Returns:
        TensorFlow functions by name: `serving_default` of `image` `[H, W, channels]` uint8 RGB; `probabilities`, the
        same with the output of that name; `encoded` of the bytes of an image file, only for a model of 3 channels.
    """
    channels = model.settings.channels
    image = tf.TensorSpec([None, None, channels], tf.uint8, name="image")
    find = tf.function(lambda image: graph.detect(image, model), input_signature=[image])
    # calls the traced function, so that the graph contains the network once
    detect = tf.function(lambda image: _without_probabilities(find(image)), input_signature=[image])
    built = {IMAGE_SIGNATURE: detect, PROBABILITIES: find}
    if channels == ENCODED_CHANNELS:
        encoded = tf.TensorSpec([], tf.string, name="encoded")
        built[ENCODED_SIGNATURE] = tf.function(lambda encoded: detect(decode(encoded)), input_signature=[encoded])
    return built


def decode(encoded: Tensor) -> Tensor:
    """Decodes an image file's bytes like `images.pixels.read_image`, but ignores the EXIF orientation.

    Args:
        encoded: string scalar: JPEG, PNG (8 or 16 bits; grey, palette, alpha), BMP, or GIF, of which the first frame is
            used.

    Returns:
        `[H, W, 3]` uint8, RGB.
    """

    def jpeg() -> Tensor:
        # the general decoder uses the fast transform, with errors of up to 18 grey values
        return tf.io.decode_jpeg(encoded, channels=ENCODED_CHANNELS, dct_method="INTEGER_ACCURATE")

    def other() -> Tensor:
        return tf.io.decode_image(encoded, channels=ENCODED_CHANNELS, expand_animations=False)

    image = tf.cond(tf.io.is_jpeg(encoded), jpeg, other)
    image.set_shape([None, None, ENCODED_CHANNELS])
    return image


def _without_probabilities(found: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in found.items() if key != PROBABILITIES}


def _opened(loaded: Any, name: str) -> ImageFunction:
    def call(image: np.ndarray) -> dict[str, np.ndarray]:
        # looked up at each call: a signature alone does not keep the weights of `loaded`
        function = loaded.probabilities if name == PROBABILITIES else loaded.signatures[name]
        given = {"encoded": tf.io.encode_png(image)} if name == ENCODED_SIGNATURE else {"image": tf.constant(image)}
        return runtime.fetched(function, **given)

    return call
