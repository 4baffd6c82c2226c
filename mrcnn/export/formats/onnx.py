"""ONNX: one graph from an image's pixels to masks of its size, for ONNX Runtime and other runtimes.

    model.onnx      the graph with the weights; its metadata holds the classes, the thresholds and the settings
    config.pbtxt    the inputs and outputs, for Triton

It is the graph of the SavedModel, converted by tf2onnx. Shape letters: N detections, M mask side, H W the image.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from mrcnn import optional
from mrcnn.errors import UserError, one_line
from mrcnn.export import metadata, portable
from mrcnn.export.exportable import DetectorSettings, Exportable
from mrcnn.export.formats import onnx_weights, triton
from mrcnn.export.formats.format import FLOAT16, FLOAT32, INT8, Images
from mrcnn.export.formats.one_file import OneFile
from mrcnn.export.formats.onnx_weights import EXTRA, PURPOSE
from mrcnn.export.portable import IMAGE
from mrcnn.predict.runtimes import onnx as runtime
from mrcnn.structures import SEMANTIC

FILE = "model.onnx"
OPSET = 18  # the newest that tf2onnx writes
MOST_REASON = 200  # characters kept of the text of an error of onnx
# names of the axes in the file, ("N",) for other outputs; an axis of known size keeps its number
AXES = {
    IMAGE: ("H", "W"),
    "masks": ("N", "H", "W"),
    SEMANTIC: ("H", "W"),
}


class Onnx(OneFile):
    """Writes an ONNX file and opens it in ONNX Runtime on the CPU."""

    title = runtime.TITLE
    versions: Mapping[str, str] = {"tensorflow": tf.__version__, **optional.versions(EXTRA)}
    weights = (FLOAT32, FLOAT16, INT8)
    extra, purpose, function, file = EXTRA, PURPOSE, IMAGE, FILE

    def write(self, model: Exportable, folder: Path) -> None:
        """Converts the graph and writes it with its metadata; see `Format.write`.

        Raises:
            UserError: ONNX has no operator for a part of the model.
        """
        onnx = optional.load("onnx", extra=EXTRA, purpose=PURPOSE)
        converter = optional.load("tf2onnx.convert", extra=EXTRA, purpose=PURPOSE)
        found = portable.function(model)
        converted, _ = converter.from_function(found, input_signature=[portable.image_spec(model)], opset=OPSET)
        onnx.helper.set_model_props(converted, metadata.texts(model))
        _name_axes(converted)
        try:
            onnx.checker.check_model(converted)
        except onnx.checker.ValidationError as error:  # tf2onnx keeps operators that it has no rule for
            reason = one_line(str(error), most=MOST_REASON)
            raise UserError(f"ONNX cannot hold this model, export it as saved_model: {reason}") from error
        onnx.save(converted, str(folder / FILE))
        (folder / triton.FILE).write_text(triton.config(converted), encoding="utf-8")

    def reduce(self, folder: Path, *, weights: str, images: Images, settings: DetectorSettings) -> None:
        """Reduces the weights; see `Format.reduce`."""
        onnx_weights.reduce(folder / FILE, weights=weights, images=images, image_channels=settings.channels)


def _name_axes(converted: Any) -> None:
    """Names the axes of unknown size of a model's input and outputs by `AXES`."""
    for value in (*converted.graph.input, *converted.graph.output):
        dims = value.type.tensor_type.shape.dim
        for dim, name in zip(dims, AXES.get(value.name, ("N",)), strict=False):
            if not dim.dim_value:
                dim.dim_param = name
