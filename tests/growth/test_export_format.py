"""Growth: a format to export to is one file and one line of the table; this test file plays the file."""

import json
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import pytest

from mrcnn.commands import export as command
from mrcnn.commands import paths
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.input_size import InputSize
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.export import run
from mrcnn.export.formats.format import Format
from mrcnn.export.formats.table import FORMATS
from mrcnn.model_folder import checksum, read
from mrcnn.model_folder.read import ModelBundle, StoredModel
from mrcnn.predict.image_function import image_function
from mrcnn.structures import RawDetections

NAMES = ("bg", "bright", "dark")
SIDE = 64
GREY = np.full((40, 50, 3), 102, np.uint8)  # 102 / 255 = 0.4


class Brightness(keras.layers.Layer):
    """Finds the whole window, with a score learned from its brightness."""

    def build(self, shape):
        self.gain = self.add_weight(shape=(3,), initializer=keras.initializers.Constant(1 / 3), name="gain")

    def call(self, batch, choices=None):
        images, windows = keras.ops.convert_to_tensor(batch["images"]), batch["windows"]
        brightness = keras.ops.mean(images, axis=(1, 2)) / 255.0 * SIDE / (windows[:, 2:3] - windows[:, 0:1])
        score = keras.ops.sum(brightness * self.gain, axis=1)[:, None]
        count = keras.ops.shape(images)[0]
        return RawDetections(
            boxes=windows[:, None],
            class_ids=keras.ops.ones((count, 1), "int32"),
            scores=score,
            valid=score > 0,
            masks=keras.ops.ones((count, 1, 4, 4)),
        )


def make_network():
    network = Brightness()
    network.build(None)
    return network


class Toy(Format):
    """Writes the network's weights as one npz file, and opens them in a network that is built anew."""

    title = "toy archive"
    versions: Mapping[str, str] = {"keras": keras.__version__}

    def limits(self, settings):
        if settings.channels != 3:
            raise UserError(f"a toy archive holds models of 3 channels, this one has {settings.channels}")
        return ["a toy archive holds no biases"]

    def write(self, model, folder):
        np.savez(folder / "weights.npz", *(self.stored(np.asarray(value)) for value in model.variables))
        outputs = list(model.detect(np.zeros((1, SIDE, SIDE, 3), np.float32), np.float32([[0, 0, SIDE, SIDE]])))
        (folder / "toy.json").write_text(json.dumps({"outputs": outputs, "classes": model.settings.class_names}))

    def open(self, folder, settings):
        network = make_network()
        with np.load(folder / "weights.npz") as archive:
            network.set_weights(list(archive.values()))

        def detect(images, windows):
            found = network({"images": images, "windows": windows})
            return {name: getattr(found, name) for name in json.loads((folder / "toy.json").read_text())["outputs"]}

        return {"network": image_function(detect, settings)}

    def stored(self, value):
        return value


class WrongToy(Toy):
    """Loses precision when it writes."""

    def stored(self, value):
        return np.round(value, 1)  # 1/3 becomes 0.3, so 0.4 becomes 0.36


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Plays a model folder `m` with the network above; both formats are in the table."""
    for name, kind in (("toy", Toy()), ("wrong_toy", WrongToy())):
        monkeypatch.setitem(FORMATS, name, kind)
    stored = StoredModel(
        Path("m"), Path("m"), NAMES, (), InputSize(min_dim=SIDE, max_dim=SIDE), MatterportConfig(score_threshold=0.0)
    )
    bundle = ModelBundle(make_network(), NAMES, (), stored.input_size, stored.config)
    monkeypatch.setattr(paths, "check_model", lambda *_, **__: None)
    monkeypatch.setattr(read, "read_model", lambda *_, **__: stored)
    monkeypatch.setattr(read, "load_model", lambda *_, **__: bundle)
    monkeypatch.setattr(checksum, "of_model", lambda stored: {})
    (tmp_path / "images").mkdir()
    keras.utils.save_img(tmp_path / "images" / "grey.png", GREY, scale=False)
    return tmp_path


def names(path):
    return sorted(item.name for item in path.iterdir())


@pytest.mark.parametrize(
    ("format", "files"),
    [
        ("toy", ["labels.json", "toy.json", "verify.json", "weights.npz"]),
        ("onnx", ["labels.json", "model.onnx", "verify.json"]),
        ("saved_model", ["fingerprint.pb", "labels.json", "saved_model.pb", "variables", "verify.json"]),
    ],
)
def test_export_proves_every_format_alike(folder, format, files):
    result = run.export("m", folder / "out", log=JsonLog(), format=format, images=folder / "images")
    assert set(files) <= set(names(folder / "out"))
    (proof,) = result.proofs
    assert {item.paired for item in proof.comparisons} == {1}
    assert proof.failures == []
    assert json.loads((folder / "out" / "labels.json").read_text())["classes"][1] == {"id": 1, "title": "bright"}


def test_open_finds_what_was_written(folder):
    run.export("m", folder / "out", log=JsonLog(), format="toy", images=folder / "images")
    settings = run.detector_settings(read.read_model("m"))
    found = FORMATS["toy"].open(folder / "out", settings)["network"](GREY)
    np.testing.assert_allclose(found["scores"], [0.4], rtol=1e-5)
    np.testing.assert_allclose(found["boxes"], [[0, 0, 40, 50]], atol=1e-4)
    report = json.loads((folder / "out" / "verify.json").read_text())
    assert (report["passed"], report["keras"]) == (True, keras.__version__)
    assert "tensorflow" not in report


def test_export_refuses_a_wrong_format(folder):
    with pytest.raises(UserError, match=r"one: grey\.png \(network\): scores by 0\.04 \(and 3 more\);"):
        run.export("m", folder / "out", log=JsonLog(), format="wrong_toy", images=folder / "images")
    assert names(folder) == ["images", "out.refused.json", "out.refused.md"]


def test_export_refuses_what_the_format_cannot_hold(folder, monkeypatch):
    stored = read.read_model("m")
    grey = StoredModel(
        stored.path, stored.weights, NAMES, (), stored.input_size, MatterportConfig(channels=1, image_mean=(0.0,))
    )
    monkeypatch.setattr(read, "read_model", lambda *_, **__: grey)
    with pytest.raises(UserError, match="a toy archive holds models of 3 channels, this one has 1"):
        run.export("m", folder / "out", log=JsonLog(), format="toy", images=folder / "images")
    assert names(folder) == ["images"]


def test_main_exports_in_the_format_of_the_option(folder, capsys):
    (folder / "config.json").write_text("{}")  # of the model, which is not read
    model = ["--model", str(folder)]
    given = [*model, "--out", str(folder / "out"), "--images", str(folder / "images")]
    assert command.main([*given, "--format", "toy", "--log-format", "json"]) == 0
    assert "toy.json" in names(folder / "out")
    assert "a toy archive holds no biases" in capsys.readouterr().err
    assert command.main([*model, "--out", str(folder / "2"), "--format", "tay", "--log-format", "json"]) == 1
    assert "there is no export format `tay`; did you mean `toy`" in capsys.readouterr().err
