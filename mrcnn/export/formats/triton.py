"""Describes an ONNX file for NVIDIA's Triton Inference Server.

    config.pbtxt    what Triton must know of `model.onnx`: its inputs and outputs

Source: Triton's `ModelConfig`; the file is in the text form of Protocol Buffers.
"""

from collections.abc import Iterable
from typing import Any

FILE = "config.pbtxt"
TYPES = {  # ONNX's number of a type: Triton's name
    1: "TYPE_FP32",
    2: "TYPE_UINT8",
    6: "TYPE_INT32",
    7: "TYPE_INT64",
    9: "TYPE_BOOL",
    10: "TYPE_FP16",
}
UNKNOWN = -1  # size of an axis that only a request decides


def config(converted: Any) -> str:
    """Writes the configuration of a model; Triton names it after its folder.

    An image of any size is one request, so there is no batch axis (`max_batch_size` 0).

    Args:
        converted: the ONNX model.

    Raises:
        KeyError: an input or output has a type that no export has.
    """
    parts = ['backend: "onnxruntime"', "max_batch_size: 0"]
    parts += _tensors("input", converted.graph.input)
    parts += _tensors("output", converted.graph.output)
    return "\n".join(parts) + "\n"


def _tensors(field: str, values: Iterable[Any]) -> Iterable[str]:
    for value in values:
        tensor = value.type.tensor_type
        sides = ", ".join(str(dim.dim_value or UNKNOWN) for dim in tensor.shape.dim)
        yield f'{field} {{\n  name: "{value.name}"\n  data_type: {TYPES[tensor.elem_type]}\n  dims: [{sides}]\n}}'
