"""The OpenVINO model: equal to the live network on every size, and usable without our code."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from mrcnn import optional
from mrcnn.errors import UserError
from mrcnn.export import proof, run
from mrcnn.export.formats.openvino import OpenVino
from mrcnn.export.pictures import Picture
from mrcnn.predict.predictor import Predictor
from tests.export import helpers

ov = pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
SIZES = [(1, 1), (1, 200), (64, 64), (90, 70), (62, 300), (300, 401)]  # no box ends in the middle of a pixel


def several(batch):
    """Finds what `helpers.several` does without keypoints, which need a loop."""
    return helpers.several(batch)._replace(extras={})


def exportable():
    """Returns `several` with its names."""
    model = helpers.make_exportable(several)
    return replace(model, settings=replace(model.settings, maps=("semantic",)), labels=helpers.SEVERAL_LABELS)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with the network's model."""
    folder = tmp_path_factory.mktemp("openvino")
    OpenVino().write(exportable(), folder)
    return folder


@pytest.fixture(scope="module")
def opened(written):
    functions = OpenVino().open(written, exportable().settings)
    assert list(functions) == ["image"]
    return functions["image"]


@pytest.mark.parametrize("size", SIZES)
def test_write_agrees_with_the_live_model_on_every_size(opened, size):
    image = np.maximum(helpers.photo(*size, seed=3), 100)  # so bright that there are objects
    live = Predictor(helpers.make_bundle(several)).predict([image])[0]
    found = opened(image)
    helpers.check_several(found, live, keypoints=False)
    assert 1 in found["class_ids"]
    assert len(found["scores"]) <= 2  # the third has an empty mask


def test_write_refuses_a_loop(tmp_path):
    with pytest.raises(UserError, match=r"^this model needs a loop \(Loop\), as for keypoints, .* export it as"):
        OpenVino().write(helpers.several_exportable(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_write_keeps_the_shape_of_no_masks(opened):
    found = opened(np.full((30, 50, 3), 40, np.uint8))  # 40 / 255 = 0.16
    assert {name: value.shape for name, value in found.items()} == {
        "boxes": (0, 4), "class_ids": (0,), "scores": (0,), "masks": (0, 30, 50), "probabilities": (0, 4, 4),
        "semantic": (30, 50),
    }  # fmt: skip


def test_write_needs_only_openvino_to_run(written, tmp_path):
    np.save(tmp_path / "image.npy", np.full((40, 50, 3), 102, np.uint8))
    code = f"""
import sys, json
import numpy as np
import openvino
model = openvino.Core().read_model({str(written / "model.xml")!r})
compiled = openvino.compile_model(model, "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}})
found = compiled(np.load("image.npy"))
assert not {{"tensorflow", "keras", "mrcnn"}} & set(sys.modules)
texts = [model.get_rt_info(["mrcnn", name]).astype(str) for name in ("labels", "settings")]
print(json.dumps([found["boxes"].tolist(), found["scores"].tolist(), *texts]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    boxes, scores, labels, settings = json.loads(done.stdout)
    # the mean over the window is 102 / 255 = 0.4; the window of 51 x 64 pixels, in which 40 becomes 51.2, is the image
    # the object in the middle has an empty mask, which only pasting shows
    np.testing.assert_allclose(scores, [0.4, 0.4, 0.2], rtol=1e-4)
    np.testing.assert_allclose(boxes, [[0, 0, 40, 50], [0, 0, 20, 50], [0, 0, 20, 50]], atol=1e-3)
    assert json.loads(labels) == helpers.SEVERAL_LABELS
    assert json.loads(settings)["class_names"] == ["bg", "cat", "dog"]


def test_write_keeps_weights_in_float32(tmp_path):
    weights = np.random.default_rng(0).random((64, 64), np.float32)

    def model(batch):
        raw = helpers.brightness_model(batch)
        pixels = tf.reshape(tf.image.resize(batch["images"], [8, 8])[..., 0], [1, 64])
        return raw._replace(scores=raw.scores + tf.reduce_mean(tf.matmul(pixels, weights)))

    OpenVino().write(helpers.make_exportable(model), tmp_path)
    kinds = {
        str(item.output(0).element_type)
        for item in ov.Core().read_model(tmp_path / "model.xml").get_ops()
        if item.get_type_name() == "Constant" and list(item.output(0).shape) == [64, 64]
    }
    assert kinds == {"<Type: 'float32'>"}


@pytest.mark.parametrize("method", ["truncated", "smoothed"])
def test_write_holds_rectangles_and_older_ways_to_resize(method, tmp_path):
    helpers.check_older_ways_to_resize(OpenVino(), method, tmp_path)


@pytest.mark.slow
def test_write_holds_a_whole_network(network, tmp_path, log):
    # region proposals, suppression and RoIAlign are in no smaller network
    run.write(network.bundle, tmp_path, format=OpenVino())
    functions = OpenVino().open(tmp_path, run.detector_settings(network.bundle))
    seen = [Picture("small", helpers.photo(90, 70)), Picture("wide", helpers.photo(61, 300, seed=1))]
    result = proof.prove(network, functions, seen, log=log)
    assert result.failures == []
    assert result.paired >= 8
    assert result.to_json()["largest_difference"]["score"] < 1e-4


def test_write_refuses_an_operator_that_openvino_lacks(tmp_path):
    def decoded(batch):
        raw = helpers.brightness_model(batch)
        text = tf.strings.as_string(raw.scores)
        return raw._replace(scores=tf.strings.to_number(text))

    with pytest.raises(UserError, match=r"^OpenVINO cannot hold this model, export it as saved_model: .*AsString"):
        OpenVino().write(helpers.make_exportable(decoded), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_limits_names_what_installs_a_missing_package(monkeypatch):
    monkeypatch.setitem(optional.EXTRAS, "openvino", ("openvino", "no_such_package"))
    with pytest.raises(UserError, match=r"the export to OpenVINO needs the package no_such_package; install it by"):
        OpenVino().limits(helpers.make_exportable().settings)


def test_versions_name_the_converter():
    assert set(OpenVino().versions) == {"tensorflow", "openvino", "nncf"}
