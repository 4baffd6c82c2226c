"""The runtime of SavedModels, on one of a small model that this module exports once."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.errors import UserError
from mrcnn.export import run
from mrcnn.predict.runtimes import saved_model
from tests.predict import helpers


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "1"
    run.write(helpers.make_bundle(score_threshold=0.0), folder)
    return folder


@pytest.fixture
def folder(exported, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(exported, tmp_path / "1")


def test_open_file_runs_the_signature_of_pixels(exported):
    opened = saved_model.open_file(exported / "saved_model.pb")
    assert set(opened.outputs) == {"boxes", "class_ids", "scores", "masks"}
    assert json.loads(opened.properties["settings"])["class_names"] == ["bg", "cat", "dog"]
    labels = json.loads(opened.properties["labels"])
    assert (labels["classes"][1]["title"], "settings" in labels) == ("cat", False)
    assert {path.name for path in opened.files} >= {"saved_model.pb", "variables.index"}
    found = opened.run(np.full((20, 30, 3), 102, np.uint8), ["scores", "boxes"])
    np.testing.assert_allclose(found["scores"], [0.4, 0.2], atol=0.01)  # 102 / 255, and half of it
    np.testing.assert_allclose(found["boxes"], [[0, 0, 20, 30], [0, 0, 10, 30]], atol=0.5)


def opening(folder):
    with pytest.raises(UserError) as error:
        saved_model.open_file(folder / "saved_model.pb")
    assert "\n" not in str(error.value)
    return str(error.value).replace(str(folder), "FOLDER")


def test_open_file_refuses_files_of_other_programs_and_of_older_versions(folder):
    labels = json.loads((folder / "labels.json").read_text())
    del labels["settings"]
    (folder / "labels.json").write_text(json.dumps(labels))
    text = "FOLDER/labels.json has no `settings`, as older versions wrote it; export the model again"
    assert opening(folder) == text
    (folder / "labels.json").write_text("[]")
    assert opening(folder) == text
    (folder / "labels.json").write_text("[")
    assert opening(folder).startswith("FOLDER/labels.json cannot be read as JSON: ")
    (folder / "labels.json").unlink()
    assert opening(folder) == ("FOLDER has no labels.json, so it is no SavedModel of `mrcnn export`; export the model")


@pytest.mark.parametrize("damage", ["saved_model.pb", "variables/variables.index", "signature"])
def test_open_file_refuses_damaged_files(folder, damage):
    if damage == "signature":
        shutil.rmtree(folder / "variables")
        tf.saved_model.save(tf.Module(), str(folder))
    else:
        (folder / damage).write_bytes(b"no model")
    assert opening(folder).startswith("FOLDER cannot be opened as a SavedModel, export it again: ")


def test_open_file_refuses_threads_once_tensorflow_is_in_use(exported):
    tf.zeros(1).numpy()
    with pytest.raises(UserError, match=r"^77 threads must be chosen before TensorFlow is first used: "):
        saved_model.open_file(exported / "saved_model.pb", threads=77)


def test_fetched_returns_arrays_by_name():
    found = saved_model.fetched(lambda x: {"y": x + 1}, x=tf.constant([1, 2]))
    assert isinstance(found["y"], np.ndarray)
    assert found["y"].tolist() == [2, 3]
