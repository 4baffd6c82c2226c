"""Smaller weights of an OpenVINO model, on a network of four layers."""

import numpy as np
import pytest

from mrcnn.export.formats import openvino_weights

ov = pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
pytest.importorskip("nncf", reason="the extra `openvino` is not installed")
RNG = np.random.default_rng(0)
IMAGES = [RNG.integers(0, 256, size).astype(np.uint8) for size in ((9, 12, 3), (16, 8, 3), (12, 12, 3))]


@pytest.fixture
def file(tmp_path):
    """Writes a network: a first layer of 3 channels, two inner ones and an output layer."""
    make = ov.opset8
    image = make.parameter([-1, -1, 3], np.uint8, name="image")
    image.output(0).set_names({"image"})
    scaled = make.divide(make.convert(image, "f32"), np.float32(255))
    batch = make.unsqueeze(make.transpose(scaled, make.constant([2, 0, 1])), make.constant([0]))

    def layer(values, shape, scale, name):
        weights = make.constant((RNG.normal(size=shape) / scale).astype(np.float32))
        node = make.convolution(values, weights, [1, 1], [0, 0], [0, 0], [1, 1], "same_upper")
        node.set_friendly_name(name)
        return node

    stem = make.relu(layer(batch, (16, 3, 3, 3), 5, "stem"))
    inner = layer(make.add(layer(stem, (16, 16, 3, 3), 12, "conv1"), stem), (32, 16, 1, 1), 4, "conv2")
    result = layer(inner, (16, 32, 1, 1), 6, "out")
    result.output(0).set_names({"result"})
    model = ov.Model([result], [image], "small")
    model.set_rt_info("Käse", ["mrcnn", "labels"])
    ov.save_model(model, str(tmp_path / "model.xml"), compress_to_fp16=False)
    return tmp_path / "model.xml"


def results(file):
    compiled = ov.Core().compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [np.array(compiled(image)["result"]) for image in IMAGES]


def constants(file):
    """Lists the types of the weights of each layer."""
    found = {}
    for item in ov.Core().read_model(str(file)).get_ops():
        if item.get_type_name() == "Convolution":
            node = item.input_value(1).get_node()
            while node.get_type_name() != "Constant":
                node = node.input_value(0).get_node()
            found[item.get_friendly_name()] = node.get_element_type().get_type_name()
    return found


def label(file):
    return ov.Core().read_model(str(file)).get_rt_info(["mrcnn", "labels"]).astype(str)


def test_reduce_to_int8_quantizes_the_inner_layers(file):
    before = results(file)
    assert set(constants(file).values()) == {"f32"}
    openvino_weights.reduce(file, weights="int8", images=IMAGES, image_channels=3)
    assert constants(file) == {"stem": "f32", "conv1": "i8", "conv2": "i8", "out": "f32"}
    assert label(file) == "Käse"
    for old, new in zip(before, results(file), strict=True):
        assert 0 < np.abs(old - new).max() < 0.05 * np.ptp(old)
    assert sorted(path.name for path in file.parent.iterdir()) == ["model.bin", "model.xml"]


def test_reduce_to_float16_halves_the_weights(file):
    before, size = results(file), file.with_suffix(".bin").stat().st_size
    openvino_weights.reduce(file, weights="float16", images=(), image_channels=3)
    assert set(constants(file).values()) == {"f16"}
    assert file.with_suffix(".bin").stat().st_size < 0.6 * size
    assert label(file) == "Käse"
    for old, new in zip(before, results(file), strict=True):
        assert 0 < np.abs(old - new).max() < 0.005 * np.ptp(old)


def test_operators_reads_channels(file):
    found = {item.name: item for item in openvino_weights.operators(ov.Core().read_model(str(file)))}
    assert {name: item.channels for name, item in found.items() if item.channels} == {
        "stem": 3, "conv1": 16, "conv2": 16, "out": 32
    }  # fmt: skip


def test_operators_reads_channels_of_a_transposed_convolution():
    make = ov.opset8
    values = make.parameter([1, 16, 4, 4], np.float32)
    node = make.convolution_backprop_data(values, make.constant(np.zeros((16, 3, 2, 2), np.float32)), [2, 2])
    found = openvino_weights.operators(ov.Model([node], [values], "small"))
    assert [item.channels for item in found if item.kind == "ConvolutionBackpropData"] == [16]  # [I, O, h, w]
