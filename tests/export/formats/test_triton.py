"""The file for Triton, read by the rules of Protocol Buffers and by the names of Triton's documented `ModelConfig`."""

from types import SimpleNamespace

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from mrcnn.export.formats import triton

# of model_config.proto, as far as a minimal configuration needs it
DATA_TYPES = (
    "TYPE_INVALID", "TYPE_BOOL", "TYPE_UINT8", "TYPE_UINT16", "TYPE_UINT32", "TYPE_UINT64", "TYPE_INT8", "TYPE_INT16",
    "TYPE_INT32", "TYPE_INT64", "TYPE_FP16", "TYPE_FP32", "TYPE_FP64", "TYPE_STRING", "TYPE_BF16",
)  # fmt: skip
TEXT, NUMBER, ENUM, MESSAGE, LONG = 9, 5, 14, 11, 3  # types of fields
ONE, MANY = 1, 3  # labels of fields


def model_config():
    """Makes the class of Triton's message."""
    file = descriptor_pb2.FileDescriptorProto(name="model_config.proto", package="inference", syntax="proto3")
    types = file.enum_type.add(name="DataType")
    for number, name in enumerate(DATA_TYPES):
        types.value.add(name=name, number=number)
    for name in ("ModelInput", "ModelOutput"):
        tensor = file.message_type.add(name=name)
        tensor.field.add(name="name", number=1, type=TEXT, label=ONE)
        tensor.field.add(name="data_type", number=2, type=ENUM, type_name=".inference.DataType", label=ONE)
        tensor.field.add(name="dims", number=3, type=LONG, label=MANY)
    whole = file.message_type.add(name="ModelConfig")
    for number, name in enumerate(("name", "platform", "backend"), start=1):
        whole.field.add(name=name, number=number, type=TEXT, label=ONE)
    whole.field.add(name="max_batch_size", number=4, type=NUMBER, label=ONE)
    for number, (name, kind) in enumerate((("input", "ModelInput"), ("output", "ModelOutput")), start=5):
        whole.field.add(name=name, number=number, type=MESSAGE, type_name=f".inference.{kind}", label=MANY)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("inference.ModelConfig"))


def value(name, kind, *sides):
    dims = [SimpleNamespace(dim_value=side) for side in sides]
    tensor = SimpleNamespace(elem_type=kind, shape=SimpleNamespace(dim=dims))
    return SimpleNamespace(name=name, type=SimpleNamespace(tensor_type=tensor))


def read(*, inputs, outputs):
    converted = SimpleNamespace(graph=SimpleNamespace(input=inputs, output=outputs))
    return text_format.Parse(triton.config(converted), model_config()())


def test_config_lists_inputs_and_outputs():
    image = value("image", 2, 0, 0, 3)
    found = read(inputs=[image], outputs=[value("boxes", 1, 0, 4), value("class_ids", 6, 0)])
    assert (found.backend, found.max_batch_size, found.name) == ("onnxruntime", 0, "")
    [tensor] = found.input
    assert (tensor.name, DATA_TYPES[tensor.data_type], list(tensor.dims)) == ("image", "TYPE_UINT8", [-1, -1, 3])
    assert [(item.name, DATA_TYPES[item.data_type], list(item.dims)) for item in found.output] == [
        ("boxes", "TYPE_FP32", [-1, 4]),
        ("class_ids", "TYPE_INT32", [-1]),
    ]


def test_config_of_a_type_that_no_export_has():
    with pytest.raises(KeyError):
        read(inputs=[value("image", 8, 0)], outputs=[])


def test_types_are_those_of_triton():
    assert set(triton.TYPES.values()) <= set(DATA_TYPES)
