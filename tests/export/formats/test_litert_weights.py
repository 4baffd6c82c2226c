"""Smaller weights of a LiteRT file, on a network of two convolutions."""

import json
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.export.formats import litert_weights
from mrcnn.export.formats.litert import LiteRT
from tests.export import helpers

runtime = pytest.importorskip("ai_edge_litert.interpreter", reason="the extra `litert` is not installed")
pytest.importorskip("ai_edge_quantizer", reason="the extra `litert` is not installed")
RNG = np.random.default_rng(0)
KERNELS = [(RNG.normal(size=shape) / 5).astype(np.float32) for shape in ((3, 3, 3, 32), (3, 3, 32, 32))]
IMAGES = [helpers.photo(*size, seed=seed) for seed, size in enumerate([(40, 64), (64, 64), (90, 50)])]
RULES = helpers.make_exportable().settings


def convolved(batch):
    """Finds what `brightness_model` does, with scores from two convolutions."""
    values = batch["images"] / 255.0
    for kernel in KERNELS:
        values = tf.nn.relu(tf.nn.conv2d(values, kernel, strides=2, padding="SAME"))
    scores = tf.sigmoid(tf.reduce_mean(values, axis=(1, 2))[:, :3])
    return helpers.brightness_model(batch)._replace(scores=scores)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("litert")
    LiteRT().write(helpers.make_exportable(convolved), folder)
    return folder / "model.tflite"


@pytest.fixture
def file(original, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(original.read_bytes())
    return path


def kinds(path):
    """Lists the number formats of the tensors that have the shape of the kernels, `[O, 3, 3, I]` here."""
    interpreter = runtime.Interpreter(str(path))
    shapes = {(kernel.shape[3], 3, 3, kernel.shape[2]) for kernel in KERNELS}
    return {item["dtype"].__name__ for item in interpreter.get_tensor_details() if tuple(item["shape"]) in shapes}


def scores(path):
    runner = runtime.Interpreter(str(path)).get_signature_runner()
    return np.concatenate([runner(**inputs)["scores"][0] for inputs in litert_weights._Inputs(IMAGES, RULES)])


def texts(path):
    with zipfile.ZipFile(path) as archive:
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


@pytest.mark.parametrize(
    ("weights", "images", "stored", "most"),
    [("float16", [], "float16", 1e-3), ("dynamic_int8", [], "int8", 0.02), ("int8", IMAGES, "int8", 0.02)],
)
def test_reduce_stores_smaller_weights_and_keeps_the_metadata(file, original, weights, images, stored, most):
    litert_weights.reduce(file, weights=weights, images=images, rules=RULES)
    assert kinds(original) == {"float32"}
    assert stored in kinds(file)
    assert file.stat().st_size < original.stat().st_size
    assert texts(file)["settings"].pop("weights") == weights
    before = texts(original)
    assert before["settings"].pop("weights") == "float32"
    assert texts(file)["labels"] == before["labels"]
    assert {**texts(file)["settings"], "weights": 0} == {**before["settings"], "weights": 0}
    difference = np.abs(scores(file) - scores(original)).max()
    assert 0 < difference < most
    assert list(file.parent.iterdir()) == [file]


def test_reduce_is_silent(file, capfd):
    litert_weights.reduce(file, weights="int8", images=IMAGES[:1], rules=RULES)
    heard = capfd.readouterr()
    assert "Calibration" not in heard.out + heard.err


def test_reduce_leaves_the_file_after_an_error(file, original, monkeypatch):
    def fail(path, texts):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(litert_weights, "append_metadata", fail)
    with pytest.raises(OSError, match="No space left"):
        litert_weights.reduce(file, weights="dynamic_int8", images=[], rules=RULES)
    assert file.read_bytes() == original.read_bytes()
    assert list(file.parent.iterdir()) == [file]


def test_append_metadata_leaves_the_model_in_front(file, original):
    litert_weights.append_metadata(file, {"more": '"é"'})
    assert file.read_bytes().startswith(original.read_bytes()[:1000])
    assert texts(file)["more"] == "é"
