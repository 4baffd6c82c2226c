"""The LiteRT file: equal to the live network on every size, without operators of TensorFlow."""

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mrcnn import optional
from mrcnn.config.input_size import InputSize
from mrcnn.errors import UserError
from mrcnn.export import proof, run
from mrcnn.export.formats.litert import LiteRT
from mrcnn.export.formats.onnx import Onnx
from mrcnn.export.pictures import Picture
from mrcnn.ops import accelerator
from mrcnn.predict.predictor import Predictor
from tests.export import helpers

pytest.importorskip("ai_edge_litert")
ROOT = Path(__file__).parents[3]
SIZES = [(1, 1), (1, 200), (64, 64), (90, 70), (300, 401)]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with the network's LiteRT file."""
    folder = tmp_path_factory.mktemp("litert")
    LiteRT().write(helpers.several_exportable(), folder)
    return folder


@pytest.mark.parametrize("size", SIZES)
def test_write_agrees_with_the_live_model_on_every_size(written, size):
    functions = LiteRT().open(written, helpers.several_exportable().settings)
    assert list(functions) == ["network"]
    image = np.maximum(helpers.photo(*size, seed=3), 100)  # so bright that there are objects
    found = functions["network"](image)
    helpers.check_several(found, Predictor(helpers.make_bundle(helpers.several)).predict([image])[0])
    assert 1 in found["class_ids"]


def test_write_keeps_the_shape_of_no_masks(written):
    found = LiteRT().open(written, helpers.several_exportable().settings)["network"](np.full((30, 50, 3), 40, np.uint8))
    assert {name: value.shape for name, value in found.items()} == {
        "boxes": (0, 4), "class_ids": (0,), "scores": (0,), "masks": (0, 30, 50), "probabilities": (0, 4, 4),
        "keypoints": (0, 2, 3), "semantic": (30, 50),
    }  # fmt: skip


def test_write_needs_only_litert_to_run(written, tmp_path):
    code = f"""
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
runner = Interpreter({str(written / "model.tflite")!r}).get_signature_runner()
images = np.full((1, 64, 64, 3), 102, np.float32)
found = runner(images=images, windows=np.float32([[0, 0, 64, 64]]))
assert not {{"tensorflow", "keras", "mrcnn"}} & set(sys.modules)
print([round(score, 4) for score in found["scores"][0].tolist()], found["boxes"][0, 1].tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # the mean over the window is 102 / 255 = 0.4; the third object is the second with an empty mask
    assert done.stdout.splitlines()[-1] == "[0.2, 0.4, 0.4] [0.0, 0.0, 64.0, 64.0]"


def test_write_appends_the_metadata(written):
    with zipfile.ZipFile(written / "model.tflite") as archive:
        content = {name: json.loads(archive.read(name)) for name in archive.namelist()}
    assert content["labels"] == helpers.SEVERAL_LABELS
    assert content["settings"]["class_names"] == ["bg", "cat", "dog"]
    assert set(content) == {"labels", "settings"}


def test_a_predictor_needs_neither_tensorflow_nor_keras(written):
    code = f"""
import sys
import numpy as np
from mrcnn.predict.exported import ExportedPredictor
[found] = ExportedPredictor.load({str(written)!r}, threads=1).predict([np.full((40, 50, 3), 255, np.uint8)])
assert not {{"tensorflow", "keras"}} & set(sys.modules)
print(found.class_names, found.boxes.round(3).tolist(), found.masks.shape)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = "('cat',) [[0.0, 0.0, 40.0, 50.0]] (1, 40, 50)"  # the dog scores 0.5, below the threshold of 0.7
    assert done.stdout.splitlines()[-1] == expected


@pytest.mark.slow
def test_write_holds_a_whole_network(network, tmp_path, log):
    # region proposals, suppression and RoIAlign are in no smaller network; about 40 seconds of a processor
    run.write(network.bundle, tmp_path, format=LiteRT())
    functions = LiteRT().open(tmp_path, run.detector_settings(network.bundle))
    seen = [Picture("small", helpers.photo(90, 70)), Picture("wide", helpers.photo(61, 300, seed=1))]
    result = proof.prove(network, functions, seen, log=log)
    assert result.failures == []
    assert result.paired >= 8
    assert result.to_json()["largest_difference"]["score"] < 1e-4
    assert not [name for name in operators(tmp_path) if name.startswith("Flex")]
    assert [head.fixed_slots for head in network.bundle.model.heads] == [accelerator.is_visible()]


def operators(folder):
    """Lists the names of the operators of a LiteRT file."""
    runtime = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = runtime.Interpreter(str(folder / "model.tflite"))
    return {item["op_name"] for item in interpreter._get_ops_details()}


def test_export_gives_the_live_model_squares_too(written):
    stored = helpers.make_bundle()
    stored = replace(stored, input_size=InputSize(min_dim=64, max_dim=128, shape="rectangle"))
    assert run.shaped(stored, LiteRT()).input_size.shape == "square"
    assert run.shaped(stored, Onnx()) is stored


def test_write_refuses_an_operator_that_litert_lacks(tmp_path):
    def roots(batch):
        raw = helpers.brightness_model(batch)
        return raw._replace(scores=tf.linalg.diag_part(tf.linalg.cholesky(tf.linalg.diag(raw.scores))))

    with pytest.raises(UserError, match=r"^LiteRT cannot hold this model, export it as saved_model: .*Cholesky"):
        LiteRT().write(helpers.make_exportable(roots), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_limits_names_the_size_of_the_input():
    [line] = LiteRT().limits(helpers.make_exportable().settings)
    assert line == "a LiteRT file has one size of the model input: images are scaled and padded to 64x64 pixels"


def test_limits_names_what_installs_a_missing_package(monkeypatch):
    monkeypatch.setitem(optional.EXTRAS, "litert", ("no_such_package",))
    with pytest.raises(UserError, match=r"the export to LiteRT needs the package no_such_package; install it by"):
        LiteRT().limits(helpers.make_exportable().settings)


def test_versions_name_the_runtime():
    assert set(LiteRT().versions) == {"tensorflow", "ai_edge_litert", "ai_edge_quantizer"}
