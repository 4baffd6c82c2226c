"""Keras files in the predictor of exported files: files that are none."""

import json
import shutil
import zipfile

import keras
import pytest

from mrcnn.errors import UserError
from mrcnn.export import run
from mrcnn.export.formats.keras_file import KerasFile
from mrcnn.predict.exported import ExportedPredictor
from mrcnn.predict.runtimes import keras_file
from tests.export import helpers
from tests.model_folder.test_keras_archive import changed


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras")
    run.write(helpers.small_bundle(), folder, format=KerasFile())
    return folder / "model.keras"


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras 3.15
def test_load_names_a_file_of_another_program(file, tmp_path):
    plain = tmp_path / "plain.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(plain)
    with pytest.raises(UserError, match=r"plain\.keras: the file has no metadata of `mrcnn export`; export the model"):
        ExportedPredictor.load(plain)


@pytest.mark.parametrize("texts", [{"model": None}, {"config": "{"}])
def test_load_names_a_damaged_file(file, tmp_path, texts):
    with pytest.raises(UserError, match=r"other\.keras cannot be opened as a Keras file, export it again: "):
        ExportedPredictor.load(changed(file, tmp_path, **texts))


@pytest.mark.parametrize("length", [0, 10, 100_000])
def test_load_names_a_truncated_file(file, tmp_path, length):
    path = tmp_path / "short.keras"
    shutil.copy(file, path)
    with path.open("r+b") as opened:
        opened.truncate(length)
    with pytest.raises(UserError, match=r"short\.keras cannot be opened as a Keras file, export it again: "):
        ExportedPredictor.load(path)


def test_load_names_another_version_of_the_metadata(file, tmp_path):
    with zipfile.ZipFile(file) as archive:
        settings = json.loads(archive.read("mrcnn/settings"))
    other = changed(file, tmp_path, settings=json.dumps({**settings, "format_version": 99}))
    with pytest.raises(UserError, match=r"other\.keras: the metadata has version 99, this program reads \d+; export"):
        ExportedPredictor.load(other)


def test_open_file_takes_no_threads(file):
    with pytest.raises(UserError, match=r"model\.keras: the back end of Keras chooses its threads, got `threads` 2"):
        keras_file.open_file(file, threads=2)
