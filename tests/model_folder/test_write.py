import keras
import numpy as np
import pytest

from mrcnn.model_folder import layout, write
from mrcnn.model_folder.record import Record
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.weights import hdf5

META = ProjectMeta(
    (
        ClassMeta("zebra", "polygon", "#010203", {"hotkey": "z"}),
        ClassMeta("ant", "rectangle", "#040506"),
        ClassMeta("fog", "bitmap", "#070809"),
    )
)


def test_folder_config_has_the_original_form():
    made = write.folder_config(
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


def test_folder_config_keeps_the_place_of_a_background():
    made = write.folder_config(META, {"fog": 0, "ant": 1, "zebra": 2}, settings={}, model={}, background="fog")
    assert [item["title"] for item in made["classes"]] == ["zebra", "ant", "fog"]
    assert made["classes"][2]["color"] == "#070809"


def test_write_folder_is_read_back(tmp_path):
    config = {"class_title_to_idx": {"bg": 0, "Ameise ü": 1}, "model": {}}
    write.write_folder(tmp_path / "m", config, [("conv1", [("conv1/bias:0", keras.Variable(np.float32([1, 2])))])])
    assert Record.read(tmp_path / "m" / layout.CONFIG).content == config
    assert "Ameise ü" in (tmp_path / "m" / layout.CONFIG).read_text(encoding="utf-8")
    with hdf5.read_file(tmp_path / "m" / layout.WEIGHTS) as file:
        np.testing.assert_array_equal(file.layers["conv1"]["conv1/bias:0"][()], [1, 2])
    assert sorted(str(path.relative_to(tmp_path / "m")) for path in (tmp_path / "m").rglob("*")) == [
        "config.json",
        "model_weights",
        "model_weights/model.h5",
    ]


def test_write_folder_keeps_a_folder_that_exists(tmp_path):
    (tmp_path / "m" / "model_weights").mkdir(parents=True)
    with pytest.raises(FileExistsError):
        write.write_folder(tmp_path / "m", {}, [])
    assert list((tmp_path / "m" / "model_weights").iterdir()) == []


def test_folder_config_keeps_the_colours_of_stuff():
    model = {"stuff_classes": ["fog"]}
    made = write.folder_config(META, {"bg": 0, "ant": 1}, settings={}, model=model, background="bg")
    assert [(item["title"], item["color"]) for item in made["classes"]][:2] == [("ant", "#040506"), ("fog", "#070809")]
