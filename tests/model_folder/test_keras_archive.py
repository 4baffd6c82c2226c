"""Archives of Keras: models of this package, others, and damaged ones."""

import json
import zipfile

import pytest

from mrcnn.errors import UserError
from mrcnn.export import run
from mrcnn.export.formats.keras_file import KerasFile
from mrcnn.model_folder import keras_archive
from tests.export import helpers


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras")
    run.write(helpers.small_bundle(), folder, format=KerasFile())
    return folder / "model.keras"


def changed(file, folder, **texts):
    """Copies a file with other texts by their names without folder and ending; None leaves one out."""
    path = folder / "other.keras"
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(path, "w") as copy:
        for name in archive.namelist():
            text = texts.get(name.split("/")[-1].split(".")[0], archive.read(name))
            if text is not None:
                copy.writestr(name, text)
    return path


def config_of(file, **changes):
    with zipfile.ZipFile(file) as archive:
        return json.dumps({**json.loads(archive.read("config.json")), **changes})


def test_read_model_builds_no_class_but_those_of_this_package(file, tmp_path):
    other = changed(file, tmp_path, config=config_of(file, registered_name="Functional", module="os"))
    with pytest.raises(UserError, match=r"other\.keras holds 'Functional', which is no model of this package"):
        keras_archive.read_model(other)


def test_read_model_reads_the_name_of_the_policy_alone(file, tmp_path):
    with zipfile.ZipFile(file) as archive:
        config = json.loads(archive.read("config.json"))["config"]
    evil = {"module": "builtins", "class_name": "exec", "config": {"name": "float32"}, "registered_name": None}
    other = changed(file, tmp_path, config=config_of(file, config={**config, "dtype": evil}))
    assert keras_archive.read_model(other).compute_dtype == "float32"


@pytest.mark.parametrize(
    "texts",
    [{"config": "{"}, {"config": None}, {"model": None}, {"model": b"none"}, {"config": '{"registered_name": 1}'}],
    ids=["broken config", "no config", "no weights", "broken weights", "no values"],
)
def test_read_model_of_a_damaged_archive(file, tmp_path, texts):
    with pytest.raises(keras_archive.Damaged):
        keras_archive.read_model(changed(file, tmp_path, **texts))


def test_read_text_limits_the_size(file, monkeypatch):
    monkeypatch.setattr(keras_archive, "MOST_BYTES", 10)
    with zipfile.ZipFile(file) as archive, pytest.raises(ValueError, match=r"config\.json is larger than 10 bytes"):
        keras_archive.read_text(archive, "config.json")
