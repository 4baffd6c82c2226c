from pathlib import Path

import pytest

from mrcnn.errors import UserError
from mrcnn.model_folder import layout
from mrcnn.model_folder.layout import ModelFiles


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    (made / "model_weights").mkdir(parents=True)
    (made / layout.WEIGHTS).touch()
    (made / layout.CONFIG).touch()
    return made


def files_of(folder):
    return ModelFiles(folder / layout.WEIGHTS, folder / layout.CONFIG, folder)


def test_is_in_folder_looks_at_the_path_alone(tmp_path, monkeypatch):
    assert layout.is_in_folder(Path("/x/model_weights/model.h5"))
    assert not layout.is_in_folder(Path("/x/model_weights/model.hdf5"))
    assert not layout.is_in_folder(Path("/model_weights/x/model.h5"))
    (tmp_path / "model_weights").mkdir()
    monkeypatch.chdir(tmp_path / "model_weights")
    assert layout.is_in_folder(Path("model.h5"))


@pytest.mark.parametrize("holds", [layout.CONFIG, layout.WEIGHTS])
def test_locate_the_weights_inside_a_folder(folder, monkeypatch, holds):
    assert layout.locate(folder / layout.WEIGHTS, holds=holds) == files_of(folder)
    monkeypatch.chdir(folder / "model_weights")
    found = layout.locate(Path("model.h5"), holds=holds)
    assert found == ModelFiles(Path("model.h5"), folder / layout.CONFIG, folder)


@pytest.mark.parametrize("holds", [layout.CONFIG, layout.WEIGHTS])
def test_locate_a_weight_file_without_model_folder(folder, tmp_path, holds):
    for alone in (tmp_path / "alone.weights", tmp_path / "a" / "model_weights" / "model.h5"):
        alone.parent.mkdir(parents=True, exist_ok=True)
        alone.touch()
        assert layout.locate(alone, holds=holds) == ModelFiles(alone)
    assert layout.locate(tmp_path / "missing.hdf5", holds=holds) == ModelFiles(tmp_path / "missing.hdf5")
    (folder / layout.CONFIG).unlink()
    assert layout.locate(folder / layout.WEIGHTS, holds=holds) == ModelFiles(folder / layout.WEIGHTS)


def test_locate_looks_for_the_file_in_the_folder_and_then_in_best(folder, tmp_path):
    run = tmp_path / "run.h5"  # a folder in spite of its name
    run.mkdir()
    assert layout.locate(run, holds=layout.CONFIG) is None
    (run / layout.BEST).symlink_to(folder)
    assert layout.locate(run, holds=layout.CONFIG) == files_of(run / "best")
    assert layout.locate(folder, holds=layout.WEIGHTS) == files_of(folder)
    assert layout.locate(Path("/nowhere"), holds=layout.WEIGHTS) is None


def test_locate_a_folder_of_which_a_file_is_missing(folder):
    (folder / layout.WEIGHTS).unlink()
    assert layout.locate(folder, holds=layout.CONFIG) == files_of(folder)
    assert layout.locate(folder, holds=layout.WEIGHTS) is None
    (folder / layout.WEIGHTS).touch()
    (folder / layout.CONFIG).unlink()
    assert layout.locate(folder, holds=layout.WEIGHTS) == ModelFiles(folder / layout.WEIGHTS, None, folder)
    assert layout.locate(folder, holds=layout.CONFIG) is None


def test_is_release_unless_there_is_such_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert layout.is_release("coco")
    assert layout.is_release(Path("coco"))
    assert not layout.is_release("./coco.h5")
    (tmp_path / "coco").mkdir()
    assert not layout.is_release("coco")


def test_find_model_names_a_folder_inside(folder, tmp_path):
    assert layout.find_model(folder) == files_of(folder)
    with pytest.raises(UserError, match=r"has neither config.json nor best/config.json; name .* e.g. .*model$"):
        layout.find_model(tmp_path)
    with pytest.raises(UserError, match=r"the model folder .*none does not exist"):
        layout.find_model(tmp_path / "none")


def test_find_start_and_require_start(folder):
    assert layout.find_start(folder) == layout.find_start(folder / layout.WEIGHTS) == files_of(folder)
    (folder / layout.CONFIG).unlink()
    assert layout.find_start(folder) == ModelFiles(folder / layout.WEIGHTS, None, folder)
    for missing in (folder / "none", folder / "none.h5"):
        with pytest.raises(UserError, match=r"the start weights are missing: .*none.*/model_weights/model.h5 does"):
            layout.find_start(missing)
    assert layout.require_start("m", weights_init_type="x") == "m"
    with pytest.raises(UserError, match="`weights_init_type` x needs start weights: give --model"):
        layout.require_start(None, weights_init_type="x")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".pkl"])
def test_weights_in_finds_the_file_of_another_code_base(folder, suffix):
    assert layout.weights_in(folder) == folder / layout.WEIGHTS
    other = (folder / layout.WEIGHTS).with_suffix(suffix)
    other.touch()
    assert layout.weights_in(folder) == folder / layout.WEIGHTS  # it comes first
    (folder / layout.WEIGHTS).unlink()
    assert layout.weights_in(folder) == other
    expected = ModelFiles(other, folder / layout.CONFIG, folder)
    assert layout.locate(folder, holds=layout.WEIGHTS) == layout.locate(folder, holds=layout.CONFIG) == expected
    assert layout.locate(other, holds=layout.CONFIG) == layout.find_start(other) == expected
    assert layout.is_in_folder(other)
    assert not layout.is_in_folder(other.with_name(f"other{suffix}"))
    other.unlink()
    assert layout.weights_in(folder) == folder / layout.WEIGHTS  # which does not exist


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.pt", "a.pkl"])
def test_locate_a_weight_file_of_another_code_base(tmp_path, name):
    assert layout.locate(tmp_path / name, holds=layout.CONFIG) == ModelFiles(tmp_path / name)
    (tmp_path / name).touch()
    (tmp_path / layout.CONFIG).touch()  # beside it: not the layout of a model folder
    assert layout.locate(tmp_path / name, holds=layout.WEIGHTS) == ModelFiles(tmp_path / name)


def test_is_release_recognises_published_names():
    assert layout.is_release("torchvision:maskrcnn_resnet50_fpn_v2")
    assert not layout.is_release("torchvision")
    with pytest.raises(UserError, match=r"^torchvision:mask is not among the published models"):
        layout.is_release("torchvision:mask")
