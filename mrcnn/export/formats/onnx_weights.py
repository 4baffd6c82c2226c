"""Reduces the weights of a written ONNX file to 16 or 8 bits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn import optional
from mrcnn.export import layers, metadata
from mrcnn.export.formats.format import Images
from mrcnn.export.portable import IMAGE

EXTRA, PURPOSE = "onnx", "the export to ONNX"
LEAST_VALUES = 256  # arrays of fewer values stay in float32: biases, and constants of the arithmetic of boxes
LARGEST_FLOAT16 = 65504.0


def reduce(path: Path, *, weights: str, images: Images, image_channels: int) -> None:
    """Replaces a written file by one with smaller weights, and notes their kind in its metadata.

    Args:
        path: of the `.onnx` file.
        weights: "float16", which changes the stored weights alone; or "int8", with which the convolutions and matrix
            products between the first layer and the output layers are computed in 8 bits, see `layers.select`.
        images: to measure the ranges of values on, `[H, W, channels]` uint8, at least one for int8; unused otherwise.
        image_channels: channel count of an image.

    Raises:
        OSError: a file cannot be written.
    """
    onnx = optional.load("onnx", extra=EXTRA, purpose=PURPOSE)
    written = onnx.load(str(path))
    properties = {item.key: item.value for item in written.metadata_props}
    partial = path.with_name(f"reduced-{path.name}")
    if weights == "int8":
        _quantize(path, partial, images=images, image_channels=image_channels)
        written = onnx.load(str(partial))
    else:
        halve(written)
    onnx.helper.set_model_props(written, metadata.with_weights(properties, weights))
    onnx.save(written, str(partial))
    partial.replace(path)


def halve(model: Any) -> None:
    """Stores the large arrays of a model in float16; they are converted to float32 when the file is opened.

    Args:
        model: an `onnx.ModelProto`, which is changed.
    """
    onnx = optional.load("onnx", extra=EXTRA, purpose=PURPOSE)
    casts = []
    for item in model.graph.initializer:
        if item.data_type != onnx.TensorProto.FLOAT or int(np.prod(item.dims)) < LEAST_VALUES:
            continue
        values = onnx.numpy_helper.to_array(item)
        if np.abs(values).max() > LARGEST_FLOAT16:
            continue
        name = item.name
        item.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}_float16"))
        casts.append(onnx.helper.make_node("Cast", [item.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def operators(graph: Any) -> list[layers.Operator]:
    """Lists the operators of an `onnx.GraphProto`, each after those whose results it reads."""
    shapes = {item.name: tuple(item.dims) for item in graph.initializer}
    makers = {result: node.name for node in graph.node for result in node.output}
    return [
        layers.Operator(
            node.name,
            node.op_type,
            tuple(makers[name] for name in node.input if name in makers),
            _channels(node, shapes),
        )
        for node in graph.node
    ]


def _channels(node: Any, shapes: dict[str, tuple[int, ...]]) -> int | None:
    """Reads how many channels the constant weights of a layer read; None for another operator."""
    if node.op_type not in layers.WEIGHTED or node.input[1] not in shapes:
        return None
    shape = shapes[node.input[1]]
    if node.op_type == "Gemm":
        transposed = any(item.name == "transB" and item.i for item in node.attribute)
        return int(shape[1 if transposed else 0])
    if node.op_type == "MatMul":
        return int(shape[-2])  # [I, O]
    return int(shape[0] if node.op_type == "ConvTranspose" else shape[1])


def _quantize(path: Path, out: Path, *, images: Images, image_channels: int) -> None:
    onnx = optional.load("onnx", extra=EXTRA, purpose=PURPOSE)
    quantization = optional.load("onnxruntime.quantization", extra=EXTRA, purpose=PURPOSE)
    preparing = optional.load("onnxruntime.quantization.shape_inference", extra=EXTRA, purpose=PURPOSE)
    prepared = path.with_name(f"prepared-{path.name}")
    preparing.quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    model = onnx.load(str(prepared))
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    onnx.save(model, str(prepared))
    selected = layers.select(operators(model.graph), image_channels=image_channels)
    quantization.quantize_static(
        str(prepared),
        str(out),
        _Reader(images),
        quant_format=quantization.QuantFormat.QDQ,
        # the ranges of all values of these types are measured at once, so of no other type: this bounds the memory
        op_types_to_quantize=sorted({node.op_type for node in model.graph.node if node.name in selected.layers}),
        nodes_to_quantize=list(selected.layers),
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    prepared.unlink()


class _Reader:
    """The images, as ONNX Runtime's `CalibrationDataReader`, whose base class only declares `get_next`."""

    def __init__(self, images: Images) -> None:
        self._left: Iterator[np.ndarray] = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._left, None)
        return None if image is None else {IMAGE: image}
