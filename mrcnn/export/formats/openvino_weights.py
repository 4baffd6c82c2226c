"""Reduces the weights of a written OpenVINO model to 16 or 8 bits."""

import logging
from pathlib import Path
from typing import Any

from mrcnn import optional
from mrcnn.export import layers, metadata, telemetry
from mrcnn.export.formats.format import Images
from mrcnn.predict.runtimes import openvino as runtime

EXTRA, PURPOSE = "openvino", "the export to OpenVINO"
ENDS = ("Constant", "Parameter", "Result")  # types of operators that compute nothing


def reduce(path: Path, *, weights: str, images: Images, image_channels: int) -> None:
    """Reduces the weights of a `.xml` file and its `.bin`; arguments and errors as for `onnx_weights.reduce`."""
    openvino = optional.load("openvino", extra=EXTRA, purpose=PURPOSE)
    model = openvino.Core().read_model(str(path))
    reduced = quantized(model, images, image_channels=image_channels) if weights == "int8" else model
    for name, text in metadata.with_weights(runtime.read_metadata(model), weights).items():
        reduced.set_rt_info(text, [runtime.INFO, name])
    partial = path.with_name(f"reduced-{path.name}")
    openvino.save_model(reduced, str(partial), compress_to_fp16=weights == "float16")
    for ending in (".bin", ".xml"):
        partial.with_suffix(ending).replace(path.with_suffix(ending))


def quantized(model: Any, images: Images, *, image_channels: int) -> Any:
    """Quantizes the layers that `layers.select` selects; arguments as for `reduce`."""
    with telemetry.off():  # NNCF decides at its import
        nncf = optional.load("nncf", extra=EXTRA, purpose=PURPOSE)
    nncf.set_log_level(logging.ERROR)  # it lists every operator that it leaves out
    found = operators(model)
    selected = layers.select(found, image_channels=image_channels)
    kept = {*selected.layers, *selected.between}
    # NNCF would also quantize the arithmetic of boxes and pixels
    others = [item.name for item in found if item.name not in kept and item.kind not in ENDS]
    return nncf.quantize(
        model,
        nncf.Dataset(images),
        subset_size=len(images),
        ignored_scope=nncf.IgnoredScope(names=others, validate=False),
    )


def operators(model: Any) -> list[layers.Operator]:
    """Lists the operators of a model, each after those whose results it reads."""
    return [
        layers.Operator(
            item.get_friendly_name(),
            item.get_type_name(),
            tuple(source.get_node().get_friendly_name() for source in item.input_values()),
            _channels(item),
        )
        for item in model.get_ordered_ops()
    ]


def _channels(item: Any) -> int | None:
    """Reads how many channels the constant weights of a layer read; None for another operator."""
    if item.get_type_name() not in layers.WEIGHTED or item.input_value(1).get_node().get_type_name() != "Constant":
        return None
    shape = item.input_value(1).get_shape()
    if item.get_type_name() == "MatMul" and not item.get_attributes()["transpose_b"]:
        return int(shape[-2])  # [I, O]
    if item.get_type_name() == "ConvolutionBackpropData":
        return int(shape[0])  # [I, O, h, w]
    return int(shape[-1] if item.get_type_name() == "MatMul" else shape[1])  # [O, I] or [O, I, h, w]
