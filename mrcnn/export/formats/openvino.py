"""OpenVINO: one graph from an image's pixels to its objects, for CPUs, above all Intel's and AMD's.

    model.xml    the graph; its `rt_info` holds the classes, the thresholds and the settings
    model.bin    the weights

OpenVINO converts the traced function itself, without a SavedModel or an ONNX file between. The masks stay on the grids
of their boxes: OpenVINO 2026.4 loses values of a graph with a loop, and pasting in the graph needs one.
"""

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from mrcnn import optional
from mrcnn.errors import UserError, one_line
from mrcnn.export import metadata, portable, telemetry
from mrcnn.export.exportable import DetectorSettings, Exportable
from mrcnn.export.formats import openvino_weights
from mrcnn.export.formats.format import FLOAT16, FLOAT32, INT8, Images
from mrcnn.export.formats.one_file import OneFile
from mrcnn.export.formats.openvino_weights import EXTRA, PURPOSE
from mrcnn.export.portable import IMAGE
from mrcnn.predict.runtimes import openvino as runtime

FILE = "model.xml"
MOST_REASON = 200  # characters kept of the text of an error of OpenVINO
LOOPS = frozenset({"If", "Loop", "TensorIterator"})


class OpenVino(OneFile):
    """Writes a graph of OpenVINO and opens it on the CPU."""

    title = runtime.TITLE
    versions: Mapping[str, str] = {"tensorflow": tf.__version__, **optional.versions(EXTRA)}
    weights = (FLOAT32, FLOAT16, INT8)
    extra, purpose, function, file = EXTRA, PURPOSE, IMAGE, FILE

    def write(self, model: Exportable, folder: Path) -> None:
        """Converts the graph and writes it with its metadata; see `Format.write`.

        Raises:
            UserError: OpenVINO has no operator for a part of the model.
        """
        openvino = optional.load("openvino", extra=EXTRA, purpose=PURPOSE)
        traced = portable.grids_function(model).get_concrete_function()
        try:
            with telemetry.off():
                converted = openvino.convert_model(traced)
        except Exception as error:  # OpenVINO's exceptions have no other base class
            cause = one_line(runtime.reason(error), most=MOST_REASON)
            raise UserError(f"OpenVINO cannot hold this model, export it as saved_model: {cause}") from error
        if loops := {item.get_type_name() for item in converted.get_ops()} & LOOPS:
            raise UserError(
                f"this model needs a loop ({', '.join(sorted(loops))}), as for keypoints, which OpenVINO does not "
                "compute reliably; export it as onnx or saved_model"
            )
        for name, text in metadata.texts(model).items():
            converted.set_rt_info(text, [runtime.INFO, name])
        openvino.save_model(converted, str(folder / FILE), compress_to_fp16=False)

    def reduce(self, folder: Path, *, weights: str, images: Images, settings: DetectorSettings) -> None:
        """Reduces the weights; see `Format.reduce`."""
        openvino_weights.reduce(folder / FILE, weights=weights, images=images, image_channels=settings.channels)
