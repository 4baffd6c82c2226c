"""An ONNX file of a few operators that stands for an exported model."""

import json

import numpy as np
import pytest

from mrcnn.structures import Choices

SETTINGS = {
    "format_version": 1, "class_names": ["bg", "cat", "dog"], "channels": 3, "image_range": None, "maps": [],
    "min_dim": 64, "max_dim": 64, "shape": "square", **Choices(score_threshold=0.25)._asdict(),
}  # fmt: skip


def write(path, *, settings=SETTINGS, properties=None, extra=()):
    """Writes a model that finds one dog in every image: its mask is the first channel above 100."""
    onnx = pytest.importorskip("onnx")
    make = onnx.helper.make_node
    kinds = onnx.TensorProto
    nodes = [
        make("Constant", [], ["boxes"], value=onnx.numpy_helper.from_array(np.float32([[0, 1, 2, 3]]))),
        make("Constant", [], ["class_ids"], value=onnx.numpy_helper.from_array(np.int32([2]))),
        make("Constant", [], ["scores"], value=onnx.numpy_helper.from_array(np.float32([0.5]))),
        make("Constant", [], ["limit"], value=onnx.numpy_helper.from_array(np.uint8(100))),
        make("Constant", [], ["zero"], value=onnx.numpy_helper.from_array(np.int64(0))),
        make("Constant", [], ["first"], value=onnx.numpy_helper.from_array(np.int64([0]))),
        make("Gather", ["image", "zero"], ["channel"], axis=2),
        make("Greater", ["channel", "limit"], ["above"]),
        make("Cast", ["above"], ["flat"], to=kinds.UINT8),
        make("Unsqueeze", ["flat", "first"], ["masks"]),
        make("Identity", ["flat"], ["semantic"]),
        make("Unsqueeze", ["boxes", "first"], ["probabilities"]),
        make("Unsqueeze", ["boxes", "first"], ["keypoints"]),
    ]
    shapes = {"boxes": (kinds.FLOAT, 2), "class_ids": (kinds.INT32, 1), "scores": (kinds.FLOAT, 1),
              "masks": (kinds.UINT8, 3), "probabilities": (kinds.FLOAT, 3), "semantic": (kinds.UINT8, 2),
              "keypoints": (kinds.FLOAT, 3)}  # fmt: skip
    names = ["boxes", "class_ids", "masks", "probabilities", "scores", *extra]
    results = [onnx.helper.make_tensor_value_info(name, shapes[name][0], [None] * shapes[name][1]) for name in names]
    image = onnx.helper.make_tensor_value_info("image", kinds.UINT8, ["H", "W", 3])
    made = onnx.helper.make_graph(nodes, "one_dog", [image], results)
    model = onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    texts = {"settings": json.dumps(settings), "labels": "{}"} if properties is None else properties
    onnx.helper.set_model_props(model, texts)
    onnx.save(model, str(path))
    return path
