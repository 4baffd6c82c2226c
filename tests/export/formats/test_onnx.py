"""The ONNX file in ONNX Runtime: equal to the live network on every size, and usable without our code."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from mrcnn import optional
from mrcnn.errors import UserError
from mrcnn.export import graph
from mrcnn.export.formats import onnx
from mrcnn.export.formats.onnx import Onnx
from mrcnn.heads.box.decode import DetectionGenerator
from mrcnn.heads.keypoint.decode import decode_keypoints
from mrcnn.predict.predictor import Predictor
from mrcnn.structures import Choices, OutputRules, Proposals
from tests.export import helpers

SIZES = [(1, 1), (1, 200), (64, 64), (90, 70), (61, 300), (300, 401)]
LABELS = {"classes": [{"id": 1, "title": "Käse", "color": "#FF0000"}]}


def network(batch):
    """Finds what `brightness_model` does with a mask that is a slope, and an object whose mask is empty.

    An image whose mean is below 0.2 shows nothing.
    """
    raw = helpers.brightness_model(batch)
    slope = tf.tile(tf.linspace(0.0, 1.0, 4)[None], [4, 1])
    masks = tf.stack([slope, tf.ones((4, 4)), tf.fill((4, 4), 0.4)])
    boxes = tf.stack([raw.boxes[:, 0], raw.boxes[:, 1], raw.boxes[:, 0]], axis=1)
    scores = tf.stack([raw.scores[:, 0], raw.scores[:, 1], raw.scores[:, 1]], axis=1)
    valid = tf.tile(raw.scores[:, 1:2] >= 0.2, [1, 3])
    class_ids = tf.tile([[2, 1, 1]], [tf.shape(boxes)[0], 1])
    return raw._replace(boxes=boxes, scores=scores, valid=valid, class_ids=class_ids, masks=masks[None])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with the network's ONNX file."""
    folder = tmp_path_factory.mktemp("onnx")
    Onnx().write(replace(helpers.make_exportable(network), labels=LABELS), folder)
    return folder


@pytest.fixture(scope="module")
def opened(written):
    functions = Onnx().open(written, helpers.make_exportable(network).settings)
    assert list(functions) == ["image"]
    return functions["image"]


def check(found, live):
    assert set(found) == {"boxes", "class_ids", "scores", "masks", "probabilities"}
    assert [found[key].dtype for key in ("boxes", "class_ids", "scores", "masks", "probabilities")] == [
        np.float32, np.int32, np.float32, np.uint8, np.float32
    ]  # fmt: skip
    np.testing.assert_array_equal(found["class_ids"], live.class_ids)
    np.testing.assert_allclose(found["boxes"], live.boxes, atol=0.01)
    np.testing.assert_allclose(found["scores"], live.scores, atol=1e-4)
    assert found["masks"].shape == live.masks.shape
    assert (found["masks"] != live.masks).sum() <= 2 * len(live.masks)


@pytest.mark.parametrize("size", SIZES)
def test_write_agrees_with_the_live_model_on_every_size(opened, size):
    image = np.maximum(helpers.photo(*size, seed=3), 100)  # so bright that there are objects
    live = Predictor(helpers.make_bundle(network)).predict([image])[0]
    found = opened(image)
    check(found, live)
    assert 1 in found["class_ids"]
    assert len(found["scores"]) <= 2  # the third has an empty mask
    if min(size) > 1:
        slope = found["masks"][found["class_ids"].tolist().index(2)]
        assert 0 < slope.sum() < slope.size / 2  # a part of the upper half


def test_write_keeps_the_shape_of_no_masks(opened):
    found = opened(np.full((30, 50, 3), 40, np.uint8))  # 40 / 255 = 0.16
    assert {name: value.shape for name, value in found.items()} == {
        "boxes": (0, 4), "class_ids": (0,), "scores": (0,), "masks": (0, 30, 50), "probabilities": (0, 4, 4)
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
    assert json.loads(properties["labels"]) == LABELS
    assert json.loads(properties["settings"])["class_names"] == ["bg", "cat", "dog"]


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
    }


def test_metadata_has_what_a_caller_needs():
    model = helpers.make_exportable(channels=4)
    rules = OutputRules(mask_threshold=0.4)
    model = replace(model, settings=model.settings._replace(image_range=4095, rules=rules), labels=LABELS)
    texts = onnx.metadata(model)
    assert "Käse" in texts["labels"]
    assert json.loads(texts["settings"]) == {
        "format_version": 1, "class_names": ["bg", "cat", "dog"], "channels": 4, "image_range": 4095, "min_dim": 64,
        "max_dim": 64, "shape": "square", "image_resize": "exact", "maps": [], "score_threshold": 0.7,
        "detection_nms_iou_threshold": 0.3, "detections_per_image": 100, "mask_threshold": 0.4,
        "mask_paste": "bilinear", "round_boxes": "never",
    }  # fmt: skip


def best_class(boxes, logits):
    """Decodes by the box head's rule of older models: the best class of each region."""
    valid = tf.ones(tf.shape(boxes)[:2], bool)
    proposals, deltas = Proposals(boxes, boxes[..., 0], valid), tf.zeros((1, 4, 3, 4))
    found = DetectionGenerator(classes="best")(
        proposals, logits, deltas, windows=tf.constant([[0.0, 0, 90, 90]]), choices=Choices(score_threshold=0.1)
    )
    return found.boxes[0], found.scores[0]


def keypoints(boxes, logits):
    """Decodes the maps of two points, 3 x 3 cells that are most of the logits."""
    return (decode_keypoints(tf.tile(tf.reshape(logits, (1, 4, 3, 1))[:, :3], (4, 1, 1, 2)), boxes[0]),)


def test_a_rectangular_input_has_the_sides_that_it_has_without_onnx():
    converter, runtime = pytest.importorskip("tf2onnx.convert"), pytest.importorskip("onnxruntime")

    def sides(image):
        fitted = graph.fit(image, min_dim=90, max_dim=192, method="exact", shape="rectangle")
        return tf.shape(fitted.images), fitted.windows

    given = [tf.TensorSpec([None, None, 3], tf.float32, "image")]
    converted, _ = converter.from_function(tf.function(sides, given), given, opset=onnx.OPSET)
    session = runtime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    for size, expected in (((90, 70), [1, 128, 128, 3]), ((61, 300), [1, 64, 192, 3]), ((64, 64), [1, 128, 128, 3])):
        image = np.zeros((*size, 3), np.float32)
        shape, windows = session.run(None, {"image": image})
        assert shape.tolist() == expected  # 90 x 70 becomes 116 x 90 pixels, 61 x 300 becomes 39 x 192, 64 x 64 90 x 90
        np.testing.assert_array_equal(windows, sides(image)[1])


@pytest.mark.parametrize("part", [best_class, keypoints])
def test_parts_that_search_a_maximum_can_be_written(part):
    converter, runtime = pytest.importorskip("tf2onnx.convert"), pytest.importorskip("onnxruntime")
    corners = np.random.default_rng(0).uniform(0, 40, (1, 4, 2))
    boxes = np.concatenate([corners, corners + 25], axis=-1).astype(np.float32)
    logits = np.random.default_rng(1).normal(size=(1, 4, 3)).astype(np.float32)
    given = [tf.TensorSpec([1, 4, 4], tf.float32, "boxes"), tf.TensorSpec([1, 4, 3], tf.float32, "logits")]
    converted, _ = converter.from_function(tf.function(part, given), given, opset=onnx.OPSET)
    session = runtime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    for found, expected in zip(session.run(None, {"boxes": boxes, "logits": logits}), part(boxes, logits), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_write_names_an_operator_that_onnx_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr(graph, "detect", lambda image, model, paste: {"boxes": tf.bitcast(image, tf.int32)})
    with pytest.raises(UserError, match=r"^an ONNX file cannot hold this network \(No Op .* Bitcast .*\); export"):
        Onnx().write(helpers.make_exportable(network), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("count", [0, 1, 30])
def test_paste_equals_draw(count):
    random = np.random.default_rng(1)
    height, width = 70, 90
    masks = random.random((count, 7, 7), np.float32)
    masks[::5] = 0.3  # empty
    corners = np.sort(random.uniform(-20, 110, (count, 2, 2)), axis=1).reshape(count, 4)
    boxes = np.clip(corners, 0, [height, width, height, width]).astype(np.float32)
    pasted, drawn = onnx.paste(masks, boxes, height=height, width=width, rules=OutputRules())
    expected, expected_drawn = graph.draw(masks, boxes, height=height, width=width, rules=OutputRules())
    np.testing.assert_array_equal(drawn, expected_drawn)
    np.testing.assert_array_equal(pasted, expected)
    assert pasted.shape == (int(np.sum(drawn)), height, width)


def test_limits_refuses_a_resize_without_an_operator():
    settings = helpers.make_exportable().settings
    assert Onnx().limits(settings) == Onnx().limits(settings._replace(image_resize="truncated")) == []
    with pytest.raises(UserError, match=r'an ONNX file cannot hold `image_resize` "smoothed" .*; export the model as'):
        Onnx().limits(settings._replace(image_resize="smoothed"))


def test_limits_names_what_installs_a_missing_package(monkeypatch):
    monkeypatch.setitem(optional.EXTRAS, "onnx", ("tf2onnx", "no_such_package"))
    with pytest.raises(UserError, match=r"the export to ONNX needs the package no_such_package; install it by .*onnx"):
        Onnx().limits(helpers.make_exportable().settings)
    assert set(onnx.installed_versions()) == {"tf2onnx"}


def test_versions_name_the_converter():
    assert set(Onnx().versions) == {"tensorflow", "tf2onnx", "onnx", "onnxruntime"}
    assert Onnx().versions["tensorflow"] == tf.__version__


def test_installed_versions_leaves_out_a_runtime_that_was_installed_under_another_name(monkeypatch):
    def version(name):
        if name == "onnxruntime":  # it can be imported, but its package is onnxruntime-gpu
            raise onnx.packages.PackageNotFoundError(name)
        return "1.2"

    monkeypatch.setattr(onnx.packages, "version", version)
    assert onnx.installed_versions() == {"tf2onnx": "1.2", "onnx": "1.2"}
