"""Reduces the weights of a written LiteRT file to 16 or 8 bits by AI Edge Quantizer, which needs no TensorFlow."""

import contextlib
import io
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mrcnn import files, optional
from mrcnn.export import metadata
from mrcnn.export.formats.format import FLOAT16, INT8, Images
from mrcnn.predict import preprocess
from mrcnn.predict.image_function import InputRules
from mrcnn.predict.runtimes import litert as runtime

EXTRA, PURPOSE = "litert", "the export to LiteRT"
LAYERS = ("CONV_2D", "CONV_2D_TRANSPOSE", "FULLY_CONNECTED")  # all others compute boxes and masks in float32
SIGNATURE = "serving_default"


def reduce(path: Path, *, weights: str, images: Images, rules: InputRules) -> None:
    """Replaces a written model by one with smaller weights, and notes their kind in its metadata.

    Args:
        path: of the `.tflite` file.
        weights: "float16", which changes the stored weights alone; "dynamic_int8": layers of 8 bits, each of which
            measures the range of its values in every call; or "int8", with ranges measured once, on `images`.
        images: `[H, W, channels]` uint8, at least one for "int8"; unused otherwise.
        rules: how an image enters the network.

    Raises:
        OSError: the file cannot be written.
    """
    quantizer = optional.load("ai_edge_quantizer.quantizer", extra=EXTRA, purpose=PURPOSE)
    kinds = optional.load("ai_edge_quantizer.qtyping", extra=EXTRA, purpose=PURPOSE)
    texts = runtime.read_metadata(path)
    work, recipe = quantizer.Quantizer(str(path)), _recipe(weights, kinds)
    for name in LAYERS:
        work.update_quantization_recipe(".*", getattr(kinds.TFLOperationName, name), **recipe)
    with _quiet():
        ranges = work.calibrate({SIGNATURE: _Inputs(images, rules)}, num_threads=1) if weights == INT8 else None
        reduced = work.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    with files.replaced(path) as partial:
        partial.write_bytes(reduced.quantized_model)
        append_metadata(partial, metadata.with_weights(texts, weights))


def append_metadata(path: Path, texts: Mapping[str, str]) -> None:
    """Appends texts by name to a LiteRT file, as a ZIP archive.

    Raises:
        OSError: the file cannot be written.
    """
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)


def _recipe(weights: str, kinds: ModuleType) -> dict[str, Any]:
    """Chooses how a layer's weights and values are stored and computed; `kinds` is AI Edge Quantizer's `qtyping`."""
    tensor, layer, computed = kinds.TensorQuantizationConfig, kinds.OpQuantizationConfig, kinds.ComputePrecision
    if weights == FLOAT16:
        halves = tensor(num_bits=16, dtype=kinds.TensorDataType.FLOAT)
        config = layer(weight_tensor_config=halves, compute_precision=computed.FLOAT, explicit_dequantize=True)
        return {"op_config": config, "algorithm_key": "float_casting"}
    by_channel = tensor(num_bits=8, symmetric=True, granularity=kinds.QuantGranularity.CHANNELWISE)
    values = tensor(num_bits=8, symmetric=False) if weights == INT8 else None
    return {
        "op_config": layer(
            activation_tensor_config=values, weight_tensor_config=by_channel, compute_precision=computed.INTEGER
        )
    }


class _Inputs:
    """The network's inputs for each image, as often as they are asked for, for one image at a time in memory."""

    def __init__(self, images: Images, rules: InputRules) -> None:
        self._images, self._rules = images, rules

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        for image in self._images:
            [prepared] = preprocess.prepare([image], **self._rules.of_input())
            yield {runtime.IMAGES: prepared.images, runtime.WINDOWS: prepared.windows}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides progress bars, and the warning that measuring needs memory."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore", UserWarning)
        yield
