from mrcnn.model_folder import write
from mrcnn.project.meta import ClassMeta, ProjectMeta

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
