"""The ONNX file in ONNX Runtime: equal to the live network on every size, and usable without our code."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from mrcnn import optional
from mrcnn.config.load import load_inference_config
from mrcnn.errors import UserError
from mrcnn.export import proof, run
from mrcnn.export.formats import onnx
from mrcnn.export.formats.onnx import Onnx
from mrcnn.export.pictures import Picture
from mrcnn.heads.box.decode import DetectionGenerator
from mrcnn.predict import modes, sources
from mrcnn.predict.exported import ExportedPredictor
from mrcnn.predict.predictor import Predictor
from mrcnn.project.annotation import Annotation
from mrcnn.structures import Choices, Proposals
from tests.export import helpers

SIZES = [(1, 1), (1, 200), (64, 64), (90, 70), (61, 300), (300, 401)]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with the network's ONNX file."""
    folder = tmp_path_factory.mktemp("onnx")
    Onnx().write(helpers.several_exportable(), folder)
    return folder


@pytest.fixture(scope="module")
def opened(written):
    functions = Onnx().open(written, helpers.several_exportable().settings)
    assert list(functions) == ["image"]
    return functions["image"]


@pytest.mark.parametrize("size", SIZES)
def test_write_agrees_with_the_live_model_on_every_size(opened, size):
    image = np.maximum(helpers.photo(*size, seed=3), 100)  # so bright that there are objects
    live = Predictor(helpers.make_bundle(helpers.several)).predict([image])[0]
    found = opened(image)
    helpers.check_several(found, live)
    assert 1 in found["class_ids"]
    assert len(found["scores"]) <= 2  # the third has an empty mask
    if min(size) > 1:
        slope = found["masks"][found["class_ids"].tolist().index(2)]
        assert 0 < slope.sum() < slope.size / 2  # a part of the upper half


def test_write_keeps_the_shape_of_no_masks(opened):
    found = opened(np.full((30, 50, 3), 40, np.uint8))  # 40 / 255 = 0.16
    assert {name: value.shape for name, value in found.items()} == {
        "boxes": (0, 4), "class_ids": (0,), "scores": (0,), "masks": (0, 30, 50), "probabilities": (0, 4, 4),
        "keypoints": (0, 2, 3), "semantic": (30, 50),
    }  # fmt: skip


def test_write_needs_only_onnxruntime_to_run(written, tmp_path):
    image = np.full((40, 50, 3), 102, np.uint8)
    np.save(tmp_path / "image.npy", image)
    code = f"""
import sys, json
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession({str(written / "model.onnx")!r}, providers=["CPUExecutionProvider"])
boxes, scores = session.run(["boxes", "scores"], {{"image": np.load("image.npy")}})
assert not {{"tensorflow", "keras", "mrcnn"}} & set(sys.modules)
print(json.dumps([boxes.tolist(), scores.tolist(), session.get_modelmeta().custom_metadata_map]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    boxes, scores, properties = json.loads(done.stdout)
    # the mean over the window is 102 / 255 = 0.4; the window of 51 x 64 pixels, in which 40 becomes 51.2, is the image
    np.testing.assert_allclose(scores, [0.4, 0.2], rtol=1e-4)
    np.testing.assert_allclose(boxes, [[0, 0, 40, 50], [0, 0, 20, 50]], atol=1e-3)
    assert json.loads(properties["labels"]) == helpers.SEVERAL_LABELS
    assert json.loads(properties["settings"])["class_names"] == ["bg", "cat", "dog"]


def test_write_describes_the_file_for_triton(written):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(written / "model.onnx"), providers=["CPUExecutionProvider"])
    text = (written / "config.pbtxt").read_text()
    names = [item.name for item in (*session.get_inputs(), *session.get_outputs())]
    assert [line.split('"')[1] for line in text.splitlines() if line.startswith("  name:")] == names
    assert 'input {\n  name: "image"\n  data_type: TYPE_UINT8\n  dims: [-1, -1, 3]\n}' in text


def test_write_names_inputs_and_axes(written):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(written / "model.onnx"), providers=["CPUExecutionProvider"])
    values = (*session.get_inputs(), *session.get_outputs())
    assert {value.name: (value.type, value.shape) for value in values} == {
        "image": ("tensor(uint8)", ["H", "W", 3]),
        "boxes": ("tensor(float)", ["N", 4]),
        "class_ids": ("tensor(int32)", ["N"]),
        "masks": ("tensor(uint8)", ["N", "H", "W"]),
        "probabilities": ("tensor(float)", ["N", 4, 4]),
        "scores": ("tensor(float)", ["N"]),
        "keypoints": ("tensor(float)", ["N", 2, 3]),
        "semantic": ("tensor(uint8)", ["H", "W"]),
    }


@pytest.mark.parametrize("method", ["truncated", "smoothed"])
def test_write_holds_rectangles_and_older_ways_to_resize(method, tmp_path):
    helpers.check_older_ways_to_resize(Onnx(), method, tmp_path)


@pytest.mark.slow
def test_write_holds_a_whole_network(network, tmp_path, log):
    # region proposals, suppression and RoIAlign are in no smaller network; about 45 seconds of a processor
    run.write(network.bundle, tmp_path, format=Onnx())
    functions = Onnx().open(tmp_path, run.detector_settings(network.bundle))
    seen = [Picture("small", helpers.photo(90, 70)), Picture("wide", helpers.photo(61, 300, seed=1))]
    result = proof.prove(network, functions, seen, log=log)
    assert result.failures == []
    assert result.paired >= 8
    assert result.to_json()["largest_difference"]["score"] < 1e-4
    exported = ExportedPredictor.load(tmp_path)
    mode = load_inference_config({"mode": {"name": "sliding_window", "window": {"width": 90, "height": 61}}}).mode
    picture = sources.Picture(0, seen[1].image, Annotation(seen[1].image.shape[:2]))
    (found,), (expected,) = (
        [one.detections for _, one in modes.RUNNERS[mode.name](each, [picture], mode, batch_size=2)]
        for each in (exported, network)
    )
    assert found.class_names == expected.class_names
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.01)
    assert [mask.area for mask in found.masks] == pytest.approx([mask.area for mask in expected.masks], abs=2)


def test_write_refuses_an_operator_that_onnx_lacks(tmp_path):
    def bits(batch):
        raw = helpers.brightness_model(batch)
        signs = tf.bitcast(raw.scores, tf.int32) < 0
        return raw._replace(valid=raw.valid & ~signs)

    with pytest.raises(UserError, match=r"^ONNX cannot hold this model, export it as saved_model: .*Bitcast"):
        Onnx().write(helpers.make_exportable(bits), tmp_path)
    assert list(tmp_path.iterdir()) == []


def best_class(boxes, logits):
    """Decodes by the box head's rule of older models: the best class of each region."""
    valid = tf.ones(tf.shape(boxes)[:2], bool)
    proposals, deltas = Proposals(boxes, boxes[..., 0], valid), tf.zeros((1, 4, 3, 4))
    found = DetectionGenerator(classes="best")(
        proposals, logits, deltas, windows=tf.constant([[0.0, 0, 90, 90]]), choices=Choices(score_threshold=0.1)
    )
    return found.boxes[0], found.scores[0]


def test_the_best_class_of_a_region_can_be_written():
    converter, runtime = pytest.importorskip("tf2onnx.convert"), pytest.importorskip("onnxruntime")
    corners = np.random.default_rng(0).uniform(0, 40, (1, 4, 2))
    boxes = np.concatenate([corners, corners + 25], axis=-1).astype(np.float32)
    logits = np.random.default_rng(1).normal(size=(1, 4, 3)).astype(np.float32)
    given = [tf.TensorSpec([1, 4, 4], tf.float32, "boxes"), tf.TensorSpec([1, 4, 3], tf.float32, "logits")]
    converted, _ = converter.from_function(tf.function(best_class, given), given, opset=onnx.OPSET)
    session = runtime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    for found, expected in zip(
        session.run(None, {"boxes": boxes, "logits": logits}), best_class(boxes, logits), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_limits_names_what_installs_a_missing_package(monkeypatch):
    monkeypatch.setitem(optional.EXTRAS, "onnx", ("tf2onnx", "no_such_package"))
    with pytest.raises(UserError, match=r"the export to ONNX needs the package no_such_package; install it by .*onnx"):
        Onnx().limits(helpers.make_exportable().settings)


def test_versions_name_the_converter():
    assert set(Onnx().versions) == {"tensorflow", "tf2onnx", "onnx", "onnxruntime"}
    assert Onnx().versions["tensorflow"] == tf.__version__
