from pathlib import Path

import pytest

from mrcnn.errors import UserError
from mrcnn.model_folder import layout


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    (made / "model_weights").mkdir(parents=True)
    (made / layout.WEIGHTS).touch()
    (made / layout.CONFIG).touch()
    return made


def test_folder_of_a_folder_is_itself_even_if_it_is_missing(folder, tmp_path):
    assert layout.folder_of(folder) == folder
    assert layout.folder_of(tmp_path / "none") == tmp_path / "none"


def test_folder_of_the_weights_inside_a_folder(folder, monkeypatch):
    assert layout.folder_of(folder / layout.WEIGHTS) == folder
    monkeypatch.chdir(folder)
    assert layout.folder_of(layout.WEIGHTS) == folder


def test_folder_of_a_file_alone_is_none(folder, tmp_path):
    (tmp_path / "alone.h5").touch()
    assert layout.folder_of(tmp_path / "alone.h5") is None
    assert layout.folder_of(tmp_path / "missing.hdf5") is None
    (folder / layout.CONFIG).unlink()
    assert layout.folder_of(folder / layout.WEIGHTS) is None


def test_is_in_folder_looks_at_the_path_alone(tmp_path, monkeypatch):
    assert layout.is_in_folder(Path("/x/model_weights/model.h5"))
    assert not layout.is_in_folder(Path("/x/model_weights/model.hdf5"))
    assert not layout.is_in_folder(Path("/model_weights/x/model.h5"))
    (tmp_path / "model_weights").mkdir()
    monkeypatch.chdir(tmp_path / "model_weights")
    assert layout.is_in_folder(Path("model.h5"))


def test_find_looks_for_the_file_in_the_folder_and_then_in_best(folder, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    assert layout.find(run, holds=layout.CONFIG) is None
    (run / layout.BEST).symlink_to(folder)
    assert layout.find(run, holds=layout.CONFIG) == run / "best"
    assert layout.find(folder, holds=layout.WEIGHTS) == folder
    assert layout.find(Path("/nowhere"), holds=layout.WEIGHTS) is None


def test_find_model_names_a_folder_inside(folder, tmp_path):
    assert layout.find_model(folder) == folder
    with pytest.raises(UserError, match=r"has neither config.json nor best/config.json; name .* e.g. .*model$"):
        layout.find_model(tmp_path)
    with pytest.raises(UserError, match=r"the model folder .*none does not exist"):
        layout.find_model(tmp_path / "none")


def test_find_start_and_require_start(folder):
    weights, config = folder / layout.WEIGHTS, folder / layout.CONFIG
    assert layout.find_start(folder) == layout.find_start(weights) == (weights, config)
    config.unlink()
    assert layout.find_start(folder) == (weights, None)
    with pytest.raises(UserError, match="the start weights are missing"):
        layout.find_start(folder / "none")
    assert layout.require_start("m", weights_init_type="x") == "m"
    with pytest.raises(UserError, match="`weights_init_type` x needs start weights: give --model"):
        layout.require_start(None, weights_init_type="x")
