"""The SavedModel: equal to the live network, usable without our code, and published only when proven."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config.model import ModelConfig
from mrcnn.errors import UserError
from mrcnn.export import saved_model
from mrcnn.images import pixels
from mrcnn.model_folder import read

from . import helpers

SIZES = [(1, 1), (1, 200), (200, 1), (64, 64), (128, 128), (90, 70), (61, 300), (300, 401)]


@pytest.fixture(scope="module")
def loaded(exported_network):
    return tf.saved_model.load(str(exported_network))


def call(loaded, signature, value):
    outputs = loaded.signatures[signature](tf.constant(value))
    return {key: tensor.numpy() for key, tensor in outputs.items()}


def check(found, live):
    assert set(found) == {"boxes", "class_ids", "scores", "masks"}
    assert [found[key].dtype for key in ("boxes", "class_ids", "scores", "masks")] == [
        np.float32, np.int32, np.float32, np.uint8
    ]  # fmt: skip
    np.testing.assert_array_equal(found["class_ids"], live.class_ids)
    np.testing.assert_allclose(found["boxes"], live.boxes, atol=0.01)
    np.testing.assert_allclose(found["scores"], live.scores, atol=1e-4)
    assert found["masks"].shape == live.masks.shape
    assert (found["masks"] != live.masks).sum() <= 2 * len(live.masks)


@pytest.mark.parametrize("size", SIZES)
def test_live_and_exported_agree_on_every_size(network, loaded, size):
    image = helpers.photo(*size, seed=3)
    live = network.predict([image])[0]
    check(call(loaded, "serving_default", image), live)
    assert len(live.scores) > 0 or max(size) < 60 or min(size) == 1


@pytest.mark.parametrize(("extension", "channels"), [(".jpg", 3), (".png", 3), (".png", 1), (".png", 4)])
def test_bytes_signature_agrees_with_the_live_reader(network, loaded, extension, channels):
    photo = helpers.photo(100, 140, seed=4)
    photo = {1: photo[..., 0], 3: photo, 4: np.dstack([photo, photo[..., 0]])}[channels]
    data = helpers.encode(photo, extension)
    image = pixels.decode_image(np.frombuffer(data, np.uint8), name="bytes")
    found = call(loaded, "encoded", data)
    assert len(found["scores"]) > 3
    check(found, network.predict([image])[0])
    for key, value in call(loaded, "serving_default", image).items():
        np.testing.assert_array_equal(found[key], value)


def test_works_where_only_tensorflow_is(network, exported_network, tmp_path):
    np.save(tmp_path / "image.npy", helpers.photo(90, 70))
    code = f"""
import importlib.util
import numpy as np
import tensorflow as tf
assert importlib.util.find_spec("mrcnn") is None
model = tf.saved_model.load({str(exported_network)!r})
outputs = model.signatures["serving_default"](image=tf.constant(np.load("image.npy")))
np.savez("found.npz", **{{key: value.numpy() for key, value in outputs.items()}})
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "found.npz") as found:
        check(dict(found), network.predict([helpers.photo(90, 70)])[0])


def test_labels(exported_network):
    labels = json.loads((exported_network / "labels.json").read_text())
    assert labels["classes"] == [
        {"id": 0, "title": "bg"},
        {"id": 1, "title": "cat", "color": "#FF0000"},
        {"id": 2, "title": "dog", "color": "#00FF00"},
    ]
    assert labels["input_size"] == {"min_dim": helpers.SIDE, "max_dim": helpers.SIDE}
    assert (labels["score_threshold"], labels["mask_threshold"]) == (0.0, 0.5)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model folder whose model is `brightness_model`; gives the loads, which tests may change the model of."""

    class Loads(list):
        model = staticmethod(helpers.thresholded)

    loads = Loads()
    bundle = helpers.make_bundle()

    def load_model(stored, *, score_threshold, device, warn):
        threshold = bundle.config.score_threshold if score_threshold is None else score_threshold
        loads.append((stored.path, threshold, device))
        config = ModelConfig(score_threshold=threshold)
        return helpers.make_bundle(loads.model(threshold), config=config)

    def read_model(model, *, classes, input_size):
        return read.StoredModel(
            Path(model), Path(model), bundle.class_names, bundle.class_metas, bundle.input_size, bundle.config
        )

    monkeypatch.setattr(read, "load_model", load_model)
    monkeypatch.setattr(read, "read_model", read_model)
    return loads


def write_images(folder, *values):
    folder.mkdir()
    for value in values:
        (folder / f"{value}.png").write_bytes(helpers.encode(np.full((40, 50, 3), value, np.uint8)))
    return folder


def names(path):
    return sorted(item.name for item in path.iterdir())


def test_export_of_a_model_that_finds_objects(folder, tmp_path, log):
    pictures = write_images(tmp_path / "images", 200, 240)  # scores 0.78 and 0.94 of 1, above 0.7
    result = saved_model.export(tmp_path / "m", tmp_path / "deep" / "1", log=log, images=pictures, device="cpu")
    assert folder == [(tmp_path / "m", 0.7, "cpu")]
    assert names(tmp_path / "deep") == ["1"]
    assert {"labels.json", "saved_model.pb", "variables", "verify.json"} <= set(names(result.path))
    report = json.loads((result.path / "verify.json").read_text())
    assert (report["passed"], report["weak"]) == (True, False)
    assert len(report["proofs"]) == 1
    assert (
        report["proofs"][0]["paired_detections"] == 6
    )  # one object in two images by two signatures and with probabilities
    assert result.size_bytes == sum(path.stat().st_size for path in result.path.rglob("*") if path.is_file())
    assert "equal to the live model on 6 detections" in log.messages[-2]
    assert "building the graph: the export takes up to a few minutes" in log.messages
    assert log.messages[-1].startswith(f"exported to {tmp_path / 'deep' / '1'}: ")
    assert (tmp_path / "deep" / "1").stat().st_mode & 0o777 == (tmp_path / "images").stat().st_mode & 0o777


def test_without_objects_the_proof_is_repeated_with_threshold_0(folder, tmp_path, log):
    pictures = write_images(tmp_path / "images", 100)  # score 0.39
    result = saved_model.export("m", tmp_path / "out", log=log, images=pictures)
    assert [threshold for _, threshold, _ in folder] == [0.7, 0.0]
    assert [(proof.score_threshold, proof.paired) for proof in result.proofs] == [(0.7, 0), (0.0, 6)]
    assert not json.loads((result.path / "verify.json").read_text())["weak"]
    assert names(tmp_path) == ["images", "out"]
    # what is kept is the model with the threshold 0.7
    kept = tf.saved_model.load(str(result.path))
    assert len(call(kept, "serving_default", np.full((40, 50, 3), 100, np.uint8))["scores"]) == 0
    assert json.loads((result.path / "labels.json").read_text())["score_threshold"] == 0.7


def test_proof_without_any_object_is_called_weak(folder, tmp_path, log):
    folder.model = lambda threshold: helpers.thresholded(2.0)
    result = saved_model.export("m", tmp_path / "out", log=log, images=write_images(tmp_path / "images", 100))
    assert json.loads((result.path / "verify.json").read_text())["weak"]
    assert "the proof is weak" in log.messages[-2]


def test_chosen_threshold(folder, tmp_path, log):
    pictures = write_images(tmp_path / "images", 100)
    result = saved_model.export("m", tmp_path / "out", log=log, images=pictures, score_threshold=0.3)
    assert [threshold for _, threshold, _ in folder] == [0.3]
    assert result.proofs[0].paired == 3


def unequal(threshold):
    """Makes a model that scores higher in the live form, whose batch size is open."""

    def model(batch):
        raw = helpers.brightness_model(batch)
        return raw._replace(scores=raw.scores + (0.05 if batch["images"].shape[0] is None else 0.0))

    return model


def test_unequal_model_is_refused(folder, tmp_path, log):
    folder.model = unequal
    pictures = write_images(tmp_path / "images", 200)
    with pytest.raises(
        UserError, match=r"not equal to the live one: 200\.png \(serving_default\): scores by 0\.05"
    ) as error:
        saved_model.export("m", tmp_path / "out", log=log, images=pictures)
    assert "(and 2 more); nothing was exported, the differences are in" in str(error.value)
    assert names(tmp_path) == ["images", "out.refused.json"]
    report = json.loads((tmp_path / "out.refused.json").read_text())
    assert not report["passed"]
    assert report["proofs"][0]["largest_difference"]["score"] == pytest.approx(0.05, abs=1e-6)
    folder.model = helpers.thresholded  # repaired: the report of the refusal goes
    saved_model.export("m", tmp_path / "out", log=log, images=pictures)
    assert names(tmp_path) == ["images", "out"]


def test_difference_that_only_threshold_0_shows_is_refused(folder, tmp_path, log):
    folder.model = lambda threshold: unequal(0.0) if threshold == 0 else helpers.thresholded(2.0)
    with pytest.raises(UserError, match="not equal"):
        saved_model.export("m", tmp_path / "out", log=log, images=write_images(tmp_path / "images", 100))
    assert names(tmp_path) == ["images", "out.refused.json"]


def test_output_must_be_free(folder, tmp_path, log):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_text("kept")
    (tmp_path / "taken").write_text("kept")
    for taken in ("out", "taken"):
        with pytest.raises(UserError, match=r"must be new or an empty folder; remove it or name another"):
            saved_model.export("m", tmp_path / taken, log=log)
    with pytest.raises(UserError, match=r"cannot write to the output .*taken/1: Not a directory; name another place"):
        saved_model.export("m", tmp_path / "taken" / "1", log=log)
    assert folder == []
    assert names(tmp_path) == ["out", "taken"]


def test_empty_folder_and_remains_of_a_dead_run_are_replaced(folder, tmp_path, log):
    (tmp_path / "out").mkdir()
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "half").write_text("")
    saved_model.export("m", tmp_path / "out", log=log, images=write_images(tmp_path / "images", 200))
    assert names(tmp_path) == ["images", "out"]
    assert "saved_model.pb" in names(tmp_path / "out")


def test_bad_image_folder_is_told_before_the_model_is_loaded(folder, tmp_path, log):
    with pytest.raises(UserError, match=r"the image folder, file or pattern .* does not exist"):
        saved_model.export("m", tmp_path / "out", log=log, images=tmp_path / "none")
    assert folder == []


def test_nothing_is_left_after_an_error(folder, tmp_path, log):
    def broken(threshold):
        raise RuntimeError("no memory")

    folder.model = broken
    with pytest.raises(RuntimeError, match="no memory"):
        saved_model.export("m", tmp_path / "out", log=log)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), tf.errors.OutOfRangeError(None, None, "/x; File too large [Op:SaveV2]")],
)
def test_a_full_disk_is_one_line_and_leaves_nothing(folder, tmp_path, log, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(
        UserError, match=r"^cannot write the SavedModel .*: (No space left on device|/x; File too large)$"
    ):
        saved_model.export("m", tmp_path / "out", log=log, images=write_images(tmp_path / "images", 200))
    assert names(tmp_path) == ["images"]
