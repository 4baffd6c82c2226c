"""The export: published only when proven, refused otherwise, nothing left after an error."""

import ctypes
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mrcnn import decoder_notes
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.input_size import InputSize
from mrcnn.errors import UserError
from mrcnn.export import run
from mrcnn.export.exportable import DetectorSettings
from mrcnn.export.formats import table
from mrcnn.export.formats.format import Format
from mrcnn.export.formats.saved_model import SavedModel
from mrcnn.model_folder import checksum, read
from mrcnn.structures import OutputRules
from tests.predict import helpers as predict_helpers
from tests.predict.helpers import Thresholded

from . import helpers


def test_write_adds_labels(exported_network):
    labels = json.loads((exported_network / "labels.json").read_text())
    assert labels["classes"] == [
        {"id": 0, "title": "bg"},
        {"id": 1, "title": "cat", "color": "#FF0000"},
        {"id": 2, "title": "dog", "color": "#00FF00"},
    ]
    assert labels["input_size"] == {"min_dim": helpers.SIDE, "max_dim": helpers.SIDE}
    assert (labels["score_threshold"], labels["mask_threshold"]) == (0.0, 0.5)


def test_write_gives_a_format_the_shape_that_it_needs(tmp_path):
    class Square(SavedModel):
        input_shape = "square"

    bundle = replace(helpers.make_bundle(), input_size=InputSize(min_dim=64, max_dim=128, shape="rectangle"))
    for kind, shape in ((SavedModel(), "rectangle"), (Square(), "square")):
        run.write(bundle, tmp_path / shape, format=kind)
        labels = json.loads((tmp_path / shape / "labels.json").read_text())
        assert (labels["settings"]["shape"], labels["input_size"]["shape"]) == (shape, shape)


class Listening(Format):
    """Notes what C's `stderr` is while it writes."""

    title = "note"

    def write(self, model, folder):
        self.stream = c_stderr()

    def open(self, folder, settings):
        raise NotImplementedError


def c_stderr():
    return ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stderr").value


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the GNU C library")
def test_write_does_not_filter_what_converters_write_from_their_threads(tmp_path):
    listening = Listening()
    with decoder_notes.paused():
        own = c_stderr()
    with decoder_notes.hidden():
        filtered = c_stderr()
        run.write(helpers.make_bundle(), tmp_path, format=listening)
        assert c_stderr() == filtered
    assert own == listening.stream != filtered


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model folder whose model is `Thresholded`; gives the loads, which tests may change the model of."""

    class Loads(list):
        model = Thresholded

    loads = Loads()
    bundle = helpers.make_bundle()

    def load_model(stored, *, score_threshold, device, tf32, warn):
        threshold = bundle.config.score_threshold if score_threshold is None else score_threshold
        loads.append((stored.path, threshold, device))
        config = MatterportConfig(score_threshold=threshold)
        return helpers.make_bundle(loads.model(threshold), config=config)

    def read_model(model, *, classes, input_size):
        return read.StoredModel(
            Path(model), Path(model), bundle.class_names, bundle.class_metas, bundle.input_size, bundle.config
        )

    monkeypatch.setattr(checksum, "of_model", lambda stored: {"weights": "a", "settings": "b"})
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
    result = run.export(tmp_path / "m", tmp_path / "deep" / "1", log=log, images=pictures, device="cpu")
    assert folder == [(tmp_path / "m", 0.7, "cpu")]
    assert names(tmp_path / "deep") == ["1"]
    assert {"labels.json", "saved_model.pb", "variables", "verify.json", "verify.md"} <= set(names(result.path))
    report = json.loads((result.path / "verify.json").read_text())
    assert (report["passed"], report["weak"]) == (True, False)
    assert len(report["proofs"]) == 1
    assert (
        report["proofs"][0]["paired_detections"] == 24
    )  # one object in two images and six parts of them, by two signatures and with probabilities
    assert result.size_bytes == sum(path.stat().st_size for path in result.path.rglob("*") if path.is_file())
    assert any("equal to the live model on 24 detections" in line for line in log.messages)
    assert "building the graph: the export takes up to a few minutes" in log.messages
    assert log.messages[-1].startswith(f"exported to {tmp_path / 'deep' / '1'}: ")
    assert (tmp_path / "deep" / "1").stat().st_mode & 0o777 == (tmp_path / "images").stat().st_mode & 0o777


def test_export_without_objects_repeats_the_proof_with_threshold_0(folder, tmp_path, log):
    pictures = write_images(tmp_path / "images", 100)  # score 0.39
    result = run.export("m", tmp_path / "out", log=log, images=pictures)
    assert [threshold for _, threshold, _ in folder] == [0.7]  # one load serves both proofs
    assert [(proof.score_threshold, proof.paired) for proof in result.proofs] == [(0.7, 0), (0.0, 24)]
    assert not json.loads((result.path / "verify.json").read_text())["weak"]
    assert names(tmp_path) == ["images", "out"]
    # what is kept is the model with the threshold 0.7
    kept = tf.saved_model.load(str(result.path))
    assert len(kept.signatures["serving_default"](image=np.full((40, 50, 3), 100, np.uint8))["scores"]) == 0
    assert json.loads((result.path / "labels.json").read_text())["score_threshold"] == 0.7


def test_export_without_any_object_is_called_weak(folder, tmp_path, log):
    folder.model = Blind
    result = run.export("m", tmp_path / "out", log=log, images=write_images(tmp_path / "images", 100))
    assert json.loads((result.path / "verify.json").read_text())["weak"]
    assert any("the proof is weak" in line for line in log.messages)
    assert "**Weak: no object was found" in (result.path / "verify.md").read_text()


def test_export_with_a_chosen_threshold(folder, tmp_path, log):
    pictures = write_images(tmp_path / "images", 100)
    result = run.export("m", tmp_path / "out", log=log, images=pictures, score_threshold=0.3)
    assert [threshold for _, threshold, _ in folder] == [0.3]
    assert result.proofs[0].paired == 12  # in the image and three parts of it, by three functions


class Blind(Thresholded):
    """Finds nothing, by any threshold."""

    def __call__(self, batch, *, choices=None):
        found = super().__call__(batch, choices=choices)
        return found._replace(valid=found.valid & False)


class Unequal(Thresholded):
    """Scores higher in the live form, whose batch size is open."""

    def __call__(self, batch, *, choices=None):
        found = super().__call__(batch, choices=choices)
        return found._replace(scores=found.scores + (0.05 if batch["images"].shape[0] is None else 0.0))


def test_export_refuses_an_unequal_model(folder, tmp_path, log):
    folder.model = Unequal
    pictures = write_images(tmp_path / "images", 200)
    with pytest.raises(
        UserError, match=r"not equal to the live one: 200\.png \(serving_default\): scores by 0\.05"
    ) as error:
        run.export("m", tmp_path / "out", log=log, images=pictures)
    assert "(and 11 more); nothing was exported, the differences are in" in str(error.value)
    assert names(tmp_path) == ["images", "out.refused.json", "out.refused.md"]
    report = json.loads((tmp_path / "out.refused.json").read_text())
    assert not report["passed"]
    assert report["proofs"][0]["largest_difference"]["score"] == pytest.approx(0.05, abs=1e-6)
    folder.model = Thresholded  # repaired: the report of the refusal goes
    run.export("m", tmp_path / "out", log=log, images=pictures)
    assert names(tmp_path) == ["images", "out"]


def test_export_refuses_a_difference_that_only_threshold_0_shows(folder, tmp_path, log):
    folder.model = Unequal  # brightness 100 of 255 scores 0.39, or 0.44 in the live form: both below 0.7
    with pytest.raises(UserError, match="not equal"):
        run.export("m", tmp_path / "out", log=log, images=write_images(tmp_path / "images", 100))
    assert names(tmp_path) == ["images", "out.refused.json", "out.refused.md"]


def test_export_needs_a_free_output(folder, tmp_path, log):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_text("kept")
    (tmp_path / "taken").write_text("kept")
    for taken in ("out", "taken"):
        with pytest.raises(UserError, match=r"must be new or an empty folder; remove it or name another"):
            run.export("m", tmp_path / taken, log=log)
    with pytest.raises(UserError, match=r"cannot write to the output .*taken/1: Not a directory; name another place"):
        run.export("m", tmp_path / "taken" / "1", log=log)
    assert folder == []
    assert names(tmp_path) == ["out", "taken"]


def test_export_replaces_an_empty_folder_and_remains_of_a_dead_run(folder, tmp_path, log):
    (tmp_path / "out").mkdir()
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "half").write_text("")
    run.export("m", tmp_path / "out", log=log, images=write_images(tmp_path / "images", 200))
    assert names(tmp_path) == ["images", "out"]
    assert "saved_model.pb" in names(tmp_path / "out")


def test_export_reports_a_bad_image_folder_before_the_model_is_loaded(folder, tmp_path, log):
    with pytest.raises(UserError, match=r"the image folder, file or pattern .* does not exist"):
        run.export("m", tmp_path / "out", log=log, images=tmp_path / "none")
    assert folder == []


def test_export_leaves_nothing_after_an_error(folder, tmp_path, log):
    def broken(threshold):
        raise RuntimeError("no memory")

    folder.model = broken
    with pytest.raises(RuntimeError, match="no memory"):
        run.export("m", tmp_path / "out", log=log)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), tf.errors.OutOfRangeError(None, None, "/x; File too large [Op:SaveV2]")],
)
def test_export_on_a_full_disk_is_one_line_and_leaves_nothing(folder, tmp_path, log, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(
        UserError, match=r"^cannot write the SavedModel .*: (No space left on device|/x; File too large)$"
    ):
        run.export("m", tmp_path / "out", log=log, images=write_images(tmp_path / "images", 200))
    assert names(tmp_path) == ["images"]


class Toy(SavedModel):
    """A SavedModel whose weights can be "reduced", which moves all boxes."""

    weights = ("float32", "int8")
    moved_px = 1.0

    def reduce(self, folder, *, weights, images, settings):
        Toy.stream = c_stderr()
        (folder / weights).write_text(str(len(images)))

    def open(self, folder, settings):
        functions = super().open(folder, settings)
        if not (folder / "int8").exists():
            return functions

        def detect(image):
            found = functions["serving_default"](image)
            masks = np.roll(found["masks"], int(self.moved_px), axis=2)
            return found | {"boxes": found["boxes"] + self.moved_px, "masks": masks}

        return {"image": detect}


def test_export_measures_reduced_weights(folder, tmp_path, log, monkeypatch):
    monkeypatch.setitem(table.FORMATS, "toy", Toy())
    images = write_images(tmp_path / "in", 200, 220, 240)
    target = run.Target("toy", "int8", images)
    with decoder_notes.hidden():
        filtered = c_stderr()
        result = run.export("model", tmp_path / "out", log=log, format=target)
    assert Toy.stream == c_stderr() != filtered  # converters write to it from their own threads
    report = json.loads((tmp_path / "out" / "verify.json").read_text())
    assert (report["passed"], report["agreement"]["weights"]) == (True, "int8")
    assert report["proofs"][0]["passed"]  # of the model in float32, before its weights were reduced
    assert result.agreement.matched == 12  # of the calibration's images, since no others were given
    assert 0.85 < result.agreement.mean("box_iou") < 1
    assert (tmp_path / "out" / "int8").read_text() == "3"
    assert any(line.startswith("with int8 weights 100.0% of the detections are found by both") for line in log.messages)


def test_export_refuses_reduced_weights_that_find_too_little(folder, tmp_path, log, monkeypatch):
    monkeypatch.setattr(Toy, "moved_px", 30.0)
    monkeypatch.setitem(table.FORMATS, "toy", Toy())
    images = write_images(tmp_path / "in", 200, 240)
    with pytest.raises(
        UserError, match=r"^the model with int8 weights is too different from the live one: 0\.0% of"
    ) as e:
        run.export("model", tmp_path / "out", log=log, format=run.Target("toy", "int8", images))
    assert "\n" not in str(e.value)
    assert not (tmp_path / "out").exists()
    report = json.loads((tmp_path / "out.refused.json").read_text())
    assert (report["passed"], report["agreement"]["matched"]) == (False, 0)


def test_export_names_an_unknown_format(folder, tmp_path, log):
    with pytest.raises(UserError, match=r"^there is no export format `save_model`; did you mean `saved_model`$"):
        run.export("m", tmp_path / "out", log=log, format="save_model")
    assert folder == []
    assert names(tmp_path) == []


def test_detector_settings_are_the_model_s():
    config = MatterportConfig(
        channels=4, image_mean=(0.0,) * 4, image_resize="truncated", image_range=4095, mask_threshold=0.25
    )
    settings = run.detector_settings(helpers.make_bundle(config=config, side=192))
    rules = OutputRules(0.25, "bilinear", "never")
    assert settings == DetectorSettings(
        helpers.NAMES, 192, 192, channels=4, image_resize="truncated", image_range=4095, rules=rules, model=config
    )


def test_export_with_labels_has_the_ap_of_both_models(folder, tmp_path, log):
    project = predict_helpers.write_scored_project(tmp_path)
    labelled = run.Labelled(project, "val")
    result = run.export("m", tmp_path / "out", log=log, images=labelled, score_threshold=0.25)
    report = json.loads((result.path / "verify.json").read_text())
    ap = report["ap"]
    assert ap["live"] == ap["exported"]
    assert (ap["images"], ap["recommended"]) == (len(labelled.open().entries), True)
    assert report["speed"]["images"] == 2
    assert 0 < report["speed"]["exported_seconds"]
    names_of_images = {item["image"] for item in report["proofs"][0]["comparisons"]}
    assert {entry.title for entry in labelled.open().entries} < names_of_images  # and parts of them
    text = (result.path / "verify.md").read_text()
    assert f"## AP on {ap['images']} images with labels" in text
    assert any(line.startswith(f"AP lost on {ap['images']} image") for line in log.messages)


def test_export_compares_on_other_images_than_those_with_labels(folder, tmp_path, log):
    project = predict_helpers.write_scored_project(tmp_path)
    images = write_images(tmp_path / "images", 200)
    labelled = run.Labelled(project, "val", images)
    result = run.export("m", tmp_path / "out", log=log, images=labelled, score_threshold=0.25)
    assert {item.image.split(",")[0] for item in result.proofs[0].comparisons} == {"200.png"}
    assert result.evidence.scores is not None


def test_export_notes_the_model_and_its_classes(folder, tmp_path, log):
    result = run.export("m", tmp_path / "out", log=log, images=write_images(tmp_path / "images", 200))
    settings = json.loads((result.path / "labels.json").read_text())["settings"]
    assert settings["made_of"] == {"weights": "a", "settings": "b"}
    assert (settings["weights"], settings["class_order"]) == ("float32", ["dog", "cat"])
