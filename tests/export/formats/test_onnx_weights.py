"""Smaller weights of an ONNX file, on a network of four layers."""

import numpy as np
import pytest

from mrcnn.export.formats import onnx_weights

onnx = pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
runtime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
RNG = np.random.default_rng(0)
IMAGES = [RNG.integers(0, 256, size).astype(np.uint8) for size in ((9, 12, 3), (16, 8, 3), (12, 12, 3))]


@pytest.fixture
def file(tmp_path):
    """Writes a network: a first layer of 3 channels, two inner ones and an output layer."""
    make, kinds = onnx.helper.make_node, onnx.TensorProto
    weights = {
        "stem": RNG.normal(size=(16, 3, 3, 3)) / 5, "conv1": RNG.normal(size=(16, 16, 3, 3)) / 12,
        "conv2": RNG.normal(size=(32, 16, 1, 1)) / 4, "out": RNG.normal(size=(16, 32, 1, 1)) / 6, "bias": np.zeros(16),
    }  # fmt: skip
    nodes = [
        make("Cast", ["image"], ["pixels"], to=kinds.FLOAT),
        make("Div", ["pixels", "white"], ["scaled"]),
        make("Transpose", ["scaled"], ["turned"], perm=[2, 0, 1]),
        make("Unsqueeze", ["turned", "first"], ["batch"]),
        make("Conv", ["batch", "stem"], ["a"], name="stem"),
        make("Relu", ["a"], ["b"], name="relu"),
        make("Conv", ["b", "conv1"], ["c"], name="conv1", pads=[1, 1, 1, 1]),
        make("Add", ["b", "c"], ["d"], name="sum"),
        make("Conv", ["d", "conv2"], ["e"], name="conv2"),
        make("Conv", ["e", "out", "bias"], ["result"], name="out"),
    ]
    given = [onnx.numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()]
    given += [
        onnx.numpy_helper.from_array(np.float32(255), "white"),
        onnx.numpy_helper.from_array(np.int64([0]), "first"),
    ]
    image = onnx.helper.make_tensor_value_info("image", kinds.UINT8, ["H", "W", 3])
    result = onnx.helper.make_tensor_value_info("result", kinds.FLOAT, [1, 16, None, None])
    graph = onnx.helper.make_graph(nodes, "small", [image], [result], given)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    onnx.helper.set_model_props(model, {"settings": "{}", "labels": "Käse"})
    onnx.save(model, str(tmp_path / "model.onnx"))
    return tmp_path / "model.onnx"


def results(file):
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return [session.run(None, {"image": image})[0] for image in IMAGES]


def properties(file):
    return {item.key: item.value for item in onnx.load(str(file)).metadata_props}


def test_reduce_to_int8_measures_the_values_of_layers_alone(file, monkeypatch):
    """All measured values are in memory at once: those of other operators, which RoIAlign has many of, are left out."""
    from onnxruntime.quantization import calibrate

    measured = set()

    class Listening(calibrate.MinMaxCalibrater):
        def select_tensors_to_calibrate(self, model):
            found = super().select_tensors_to_calibrate(model)
            measured.update(found[0])
            return found

    monkeypatch.setattr(calibrate, "MinMaxCalibrater", Listening)
    onnx_weights.reduce(file, weights="int8", images=IMAGES, image_channels=3)
    assert measured == {"batch", "a", "b", "c", "d", "e", "result"}  # what the four convolutions read and write


def test_reduce_to_int8_quantizes_the_inner_layers(file):
    before = results(file)
    onnx_weights.reduce(file, weights="int8", images=IMAGES, image_channels=3)
    model = onnx.load(str(file))
    stored = {item.name: item.data_type for item in model.graph.initializer}
    kinds = onnx.TensorProto
    assert {name for name, kind in stored.items() if kind == kinds.INT8 and not name.endswith("zero_point")} == {
        "conv1_quantized", "conv2_quantized"
    }  # fmt: skip
    assert (stored["stem"], stored["out"]) == (kinds.FLOAT, kinds.FLOAT)
    assert properties(file) == {"settings": '{"weights": "int8"}', "labels": "Käse"}
    for old, new in zip(before, results(file), strict=True):
        assert 0 < np.abs(old - new).max() < 0.05 * np.ptp(old)
    assert [path.name for path in file.parent.iterdir()] == ["model.onnx"]


def test_reduce_to_float16_halves_the_large_arrays(file):
    before, size = results(file), file.stat().st_size
    onnx_weights.reduce(file, weights="float16", images=(), image_channels=3)
    stored = {item.name: item.data_type for item in onnx.load(str(file)).graph.initializer}
    assert stored["conv1_float16"] == onnx.TensorProto.FLOAT16
    assert stored["bias"] == onnx.TensorProto.FLOAT
    assert file.stat().st_size < 0.6 * size
    assert properties(file) == {"settings": '{"weights": "float16"}', "labels": "Käse"}
    for old, new in zip(before, results(file), strict=True):
        assert 0 < np.abs(old - new).max() < 0.005 * np.ptp(old)


def test_halve_keeps_what_float16_cannot_hold():
    values = np.full(300, 70000, np.float32)
    graph = onnx.helper.make_graph([], "none", [], [], [onnx.numpy_helper.from_array(values, "large")])
    model = onnx.helper.make_model(graph)
    onnx_weights.halve(model)
    assert model.graph.initializer[0].data_type == onnx.TensorProto.FLOAT
    assert list(model.graph.node) == []


def test_operators_reads_channels(file):
    found = {item.name: item for item in onnx_weights.operators(onnx.load(str(file)).graph)}
    assert {name: item.channels for name, item in found.items() if item.channels} == {
        "stem": 3, "conv1": 16, "conv2": 16, "out": 32
    }  # fmt: skip
    assert found["sum"].sources == ("relu", "conv1")
