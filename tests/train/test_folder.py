import json

import pytest

from mrcnn.events import UserError
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.train import folder

META = ProjectMeta(
    (
        ClassMeta("zebra", "polygon", "#010203", {"hotkey": "z"}),
        ClassMeta("ant", "rectangle", "#040506"),
        ClassMeta("fog", "bitmap", "#070809"),
    )
)


def test_the_config_has_the_original_form():
    made = folder.folder_config(
        META, {"bg": 0, "ant": 1, "zebra": 2}, settings={"lr": 1}, model={"channels": 3}, background="bg"
    )
    assert made == {
        "settings": {"lr": 1},
        "classes": [
            {"title": "zebra", "shape": "bitmap", "color": "#010203", "geometry_config": {}},
            {"title": "ant", "shape": "bitmap", "color": "#040506", "geometry_config": {}},
            {"title": "bg", "shape": "bitmap", "color": "#222222", "geometry_config": {}},
        ],
        "class_title_to_idx": {"bg": 0, "ant": 1, "zebra": 2},
        "model": {"channels": 3},
    }


def test_a_background_of_the_project_keeps_its_place():
    made = folder.folder_config(META, {"fog": 0, "ant": 1, "zebra": 2}, settings={}, model={}, background="fog")
    assert [item["title"] for item in made["classes"]] == ["zebra", "ant", "fog"]
    assert made["classes"][2]["color"] == "#070809"


@pytest.fixture
def model_dir(tmp_path):
    path = tmp_path / "model"
    (path / "model_weights").mkdir(parents=True)
    (path / "model_weights" / "model.h5").touch()
    (path / "config.json").write_text(json.dumps({"class_title_to_idx": {"bg": 0, "ant": 1}}))
    return path


def test_a_model_folder_a_run_and_a_file_are_found(model_dir, tmp_path):
    weights = model_dir / "model_weights" / "model.h5"
    assert folder.find_start_model(str(model_dir)) == folder.StartModel(weights, model_dir / "config.json")
    assert folder.find_start_model(str(weights)) == folder.StartModel(weights)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best").symlink_to(model_dir)
    assert folder.find_start_model(str(tmp_path / "run")).weights.resolve() == weights
    assert folder.find_start_model(str(model_dir)).class_title_to_idx() == {"bg": 0, "ant": 1}


def test_coco_is_downloaded(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(folder.download, "matterport_coco_file", lambda: "/cache/coco.h5")
    assert str(folder.find_start_model("coco").weights) == "/cache/coco.h5"


def test_missing_weights_say_what_to_give(tmp_path):
    with pytest.raises(UserError, match=r"model_weights/model.h5 does not exist. Give --model"):
        folder.find_start_model(str(tmp_path))


def test_going_on_needs_the_class_numbers(model_dir):
    with pytest.raises(UserError, match="Unable to continue_training, config for previous training wasn't found"):
        folder.StartModel(model_dir / "model_weights" / "model.h5").class_title_to_idx()
    (model_dir / "config.json").write_text("{}")
    with pytest.raises(UserError, match="does not have class mapping information"):
        folder.find_start_model(str(model_dir)).class_title_to_idx()
