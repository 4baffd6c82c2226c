"""What a whole run writes over a project and over a folder, with a small fake model."""

import json

import cv2
import numpy as np
import pytest

from mrcnn.annotate import draw, run
from mrcnn.config.inference import MODES
from mrcnn.config.load import load_inference_config
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.model_folder import read
from mrcnn.predict import sources
from mrcnn.project.reader import Project
from tests.predict import helpers
from tests.predict.tta import networks

from .runs import OBJECT, run_on, tree


def test_project_in_project_out(project, tmp_path):
    summary = run_on(sources.open_project(project), tmp_path / "out", batch_size=2)
    result = Project.open(tmp_path / "out" / "animals")
    assert [item.title for item in result.meta.classes] == ["cat", "cat_maskrcnn", "dog_maskrcnn"]
    assert [item.name for item in result.meta.tags] == ["train", "seen", "confidence_maskrcnn"]
    assert result.meta.extra == {"projectType": "images"}
    assert [(item.dataset, item.name) for item in result.items] == [
        ("ds1", "a.png"),
        ("ds1", "b.png"),
        ("ds2", "a.png"),
    ]
    assert result.items[0].image_path.stat().st_ino == (project / "ds1" / "img" / "a.png").stat().st_ino
    first = result.items[0].read_annotation(result.meta)
    assert [label.class_title for label in first.labels] == ["cat", "cat_maskrcnn", "dog_maskrcnn"]
    old, cat, dog = first.labels
    assert old.extra["labelerLogin"] == "ann"
    assert old.has_tag("seen")
    assert cat.geometry.mask.shape == (20, 30)
    assert dog.geometry.mask.shape == (10, 30)
    assert [tag.value for tag in (*cat.tags, *dog.tags)] == [round(200 / 255, 4), round(100 / 255, 4)]
    assert first.has_tag("train")
    assert first.description == "kept"
    assert first.size_hw == (20, 30)
    assert summary.images == 3
    assert summary.skipped == []
    assert summary.images_with == {"cat": 3, "dog": 3}
    assert not (tmp_path / "out" / "predictions.json").exists()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["animals"]


def test_input_project_is_left_alone(project, tmp_path):
    before = {path: path.read_bytes() for path in sorted(project.rglob("*")) if path.is_file()}
    run_on(sources.open_project(project), tmp_path / "out", overlay=True)
    assert {path: path.read_bytes() for path in sorted(project.rglob("*")) if path.is_file()} == before


def test_second_run_on_the_result(project, tmp_path):
    run_on(sources.open_project(project), tmp_path / "out")
    run_on(sources.open_project(tmp_path / "out"), tmp_path / "again")
    result = Project.open(tmp_path / "again" / "animals")
    assert [item.title for item in result.meta.classes] == ["cat", "cat_maskrcnn", "dog_maskrcnn"]
    labels = result.items[0].read_annotation(result.meta).labels
    assert [label.class_title for label in labels].count("cat_maskrcnn") == 2


def test_selection_holds_everywhere(project, tmp_path):
    config = {"model": {}, "mode": {"model_classes": {"save_names": ["dog"], "add_suffix": ""}}}
    folder = tmp_path / "photos"
    helpers.write_image(folder / "x.png", 20, 20, 100)
    summary = run_on(sources.open_images(folder), tmp_path / "out", config=config)
    content = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [item["category_id"] for item in content["annotations"]] == [2]
    result = Project.open(tmp_path / "out" / "photos")
    assert [item.title for item in result.meta.classes] == ["dog"]
    assert [label.class_title for label in result.items[0].read_annotation(result.meta).labels] == ["dog"]
    assert dict(summary.images_with) == {"dog": 1}


@pytest.mark.parametrize("name", MODES)
def test_existing_objects_are_renamed_or_left_out_in_every_mode(project, tmp_path, name):
    mode = {"name": name, "model_classes": {"add_suffix": "!"}, "model_tags": {"add_suffix": "!"}}
    if name.startswith("sliding"):
        mode["window"] = {"width": 64, "height": 64}
    found = {}
    for key, existing in {"all": {}, "renamed": {"add_suffix": "_gt"}, "none": {"save_names": []}}.items():
        config = {"model": {}, "mode": {**mode, "existing_objects": existing}}
        run_on(sources.open_project(project), tmp_path / key, config=config)
        result = Project.open(tmp_path / key / "animals")
        titles = [label.class_title for label in result.items[0].read_annotation(result.meta).labels]
        found[key] = sorted(titles), [item.title for item in result.meta.classes]
    new = ["cat!", "dog!"]
    assert found["all"] == (["cat", *new], ["cat", *new])
    assert found["renamed"] == (sorted(["cat_gt", *new]), ["cat", *new, "cat_gt"])
    assert found["none"] == (new, ["cat", *new])


def test_folder_of_images(tmp_path):
    folder = tmp_path / "photos"
    helpers.write_image(folder / "b.jpg", 20, 30, 200)
    helpers.write_image(folder / "a.bmp", 30, 20, 100)
    run_on(sources.open_images(folder), tmp_path / "out", overlay=True)
    result = Project.open(tmp_path / "out" / "photos")
    assert [item.name for item in result.items] == ["a.bmp", "b.jpg"]
    content = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [item["file_name"] for item in content["images"]] == ["a.bmp", "b.jpg"]
    assert len(content["annotations"]) == 4
    assert sorted(path.name for path in (tmp_path / "out" / "overlay").iterdir()) == ["a.bmp.png", "b.jpg"]


def test_overlay_of_a_project_has_its_data_sets(project, tmp_path):
    run_on(sources.open_project(project), tmp_path / "out", overlay=True)
    overlay = tmp_path / "out" / "overlay"
    assert sorted(str(path.relative_to(overlay)) for path in overlay.rglob("*.png")) == [
        "ds1/a.png",
        "ds1/b.png",
        "ds2/a.png",
    ]
    picture = cv2.imread(str(overlay / "ds1" / "a.png"), cv2.IMREAD_COLOR_RGB)
    assert picture.shape == (600, 900, 3)  # 30 times larger
    assert np.abs(picture[300, 450].astype(int) - 200).max() > 50  # a mask is drawn there


def test_overlay_colours_classes_where_there_are_several_and_else_objects(tmp_path, monkeypatch):
    helpers.write_image(tmp_path / "photos" / "x.png", 20, 20, 90)
    seen = []
    monkeypatch.setattr(
        draw, "draw", lambda image, found, class_colors, fields, regions: seen.append(class_colors) or image
    )

    def one_class(batch):
        raw = helpers.brightness_model(batch)
        return raw._replace(class_ids=raw.class_ids * 0 + 1)

    bundles = helpers.make_bundle(), helpers.make_bundle(one_class, names=("bg", "cat"))
    for index, bundle in enumerate(bundles):
        run_on(sources.open_images(tmp_path / "photos"), tmp_path / f"out{index}", bundle=bundle, overlay=True)
    assert seen == [{"cat": "#00FF00", "dog": "#00FF00"}, None]


def test_grey_model_draws_grey_pictures(tmp_path):
    folder = tmp_path / "photos"
    helpers.write_image(folder / "x.png", 20, 20, 90)

    def model(batch):
        return helpers.brightness_model({**batch, "images": batch["images"] * 3})

    bundle = helpers.make_bundle(model, channels=1, image_mean=(100.0,))
    run_on(sources.open_images(folder), tmp_path / "out", bundle=bundle, overlay=True)
    assert (tmp_path / "out" / "overlay" / "x.png").exists()


def test_model_of_four_channels_draws_the_colours(tmp_path, monkeypatch):
    pixels = np.array([[[10, 20, 30, 40]]], np.uint8).repeat(9, 0)  # blue, green, red, alpha
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "x.png"), pixels)
    seen = []
    monkeypatch.setattr(draw, "draw", lambda image, found, class_colors, fields, regions: seen.append(image) or image)
    bundle = helpers.make_bundle(channels=4, image_mean=(100.0,) * 4)
    run_on(sources.open_images(tmp_path / "photos"), tmp_path / "out", bundle=bundle, overlay=True)
    assert [image[0, 0].tolist() for image in seen] == [[30, 20, 10]]


def test_the_same_run_gives_the_same_files(project, tmp_path):
    for name in ("first", "second"):
        run_on(sources.open_project(project), tmp_path / name, overlay=True, batch_size=2)
    assert len(tree(tmp_path / "first")) == 3 * 3 + 1
    assert tree(tmp_path / "first") == tree(tmp_path / "second")


def test_objects_boxes_in_a_project(project, tmp_path):
    config = {"model": {}, "mode": {"name": "bboxes", "save": True, "padding": {"left": "1px"}}}
    config["mode"]["model_classes"] = {"add_suffix": "_found"}
    run_on(sources.open_project(project), tmp_path / "out", config=config)
    result = Project.open(tmp_path / "out")
    shapes = [(item.title, item.shape) for item in result.meta.classes]
    assert shapes == [
        ("cat", "rectangle"), ("cat_found", "bitmap"), ("dog_found", "bitmap"), ("cat_input_bbox", "rectangle"),
    ]  # fmt: skip
    titles = [
        [label.class_title for label in item.read_annotation(result.meta).labels] for item in result.items
    ]  # fmt: skip
    one = ["cat_found", "dog_found", "cat_input_bbox", "cat"]
    assert titles == [one, [], one]
    box = result.items[0].read_annotation(result.meta).labels[2]
    assert box.geometry.to_json()["points"]["exterior"] == [[1, 1], [8, 5]]


def test_windows_in_a_project(project, tmp_path):
    config = {"model": {}, "mode": {"name": "sliding_window", "save": True, "window": {"width": 24, "height": 20}}}
    config["mode"]["model_classes"] = {"add_suffix": "_found"}
    for source, output in ((project, "out"), (tmp_path / "out", "again")):
        run_on(sources.open_project(source), tmp_path / output, config=config)
    result = Project.open(tmp_path / "again")
    assert [item.title for item in result.meta.classes] == ["cat", "cat_found", "dog_found", "sliding_window"]
    titles = [label.class_title for label in result.items[1].read_annotation(result.meta).labels]
    # 40 x 24: two windows; what fills each is joined, what fills its upper half is not
    assert titles == ["cat_found", "dog_found", "dog_found", "sliding_window", "sliding_window"] * 2


def test_the_region_is_that_of_the_real_image(project, tmp_path):
    helpers.write_image(project / "ds1" / "img" / "a.png", 40, 70, 200)  # annotated as 20 x 30
    mode = {"name": "roi", "save": True, "bounds": {"left": "10%", "top": "25%", "right": "1px"}}
    config = {"model": {}, "mode": {**mode, "model_classes": {"add_suffix": "!"}}}
    run_on(sources.open_project(project), tmp_path / "out", config=config)
    result = Project.open(tmp_path / "out")
    region = result.items[0].read_annotation(result.meta).labels[-1]
    assert region.class_title == "inference_roi"
    assert region.geometry.to_json()["points"]["exterior"] == [[7, 10], [68, 39]]


def test_an_object_outside_the_image_is_kept_as_it_is(project, tmp_path):
    path = project / "ds1" / "ann" / "b.png.json"
    outside = helpers.rectangle("cat", 50, 50, 60, 60)
    path.write_text(json.dumps({**json.loads(path.read_text()), "objects": [outside, OBJECT]}))
    config = {"model": {}, "mode": {"name": "bboxes", "save": True, "model_classes": {"add_suffix": "!"}}}
    run_on(sources.open_project(project), tmp_path / "out", config=config)
    result = Project.open(tmp_path / "out")
    labels = result.items[1].read_annotation(result.meta).labels
    assert [label.class_title for label in labels] == ["cat", "cat!", "dog!", "cat_input_bbox", "cat"]
    assert labels[0].to_json()["points"] == outside["points"]


def test_output_where_the_input_is(project, tmp_path):
    before = tree(project)
    with pytest.raises(UserError, match="animals must be new or an empty folder; name another"):
        run_on(sources.open_project(project), project.parent)
    assert tree(tmp_path) == {f"animals/{name}": content for name, content in before.items()}
    run_on(sources.open_project(project), project)
    assert len(Project.open(project).items) == len(Project.open(project / "animals").items) == 3
    assert {name: content for name, content in tree(project).items() if not name.startswith("animals/")} == before


def test_subfolders_become_data_sets_inside_the_one_of_the_folder(tmp_path):
    for name in ("a.png", "day/a.png", "day/late/b.png"):
        helpers.write_image(tmp_path / "photos" / name, 8, 8, 200)
    run_on(sources.open_images(tmp_path / "photos", recursive=True), tmp_path / "out", overlay=True)
    result = Project.open(tmp_path / "out" / "photos")
    assert [(item.dataset, item.name) for item in result.items] == [
        ("ds", "a.png"),
        ("ds/day", "a.png"),
        ("ds/day/late", "b.png"),
    ]
    content = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["a.png", "day/a.png", "day/late/b.png"]
    overlay = tmp_path / "out" / "overlay"
    assert sorted(str(path.relative_to(overlay)) for path in overlay.rglob("*.png")) == [
        "a.png",
        "day/a.png",
        "day/late/b.png",
    ]


def test_run_inference_with_test_time_augmentation(project, tmp_path, monkeypatch):
    network = networks.Halves(networks.shares((0, 0, 1, 1, 1, 0.9)), networks.constant([[1.0]]))
    bundle = helpers.make_bundle(network)
    monkeypatch.setattr(read, "read_model", lambda *args, **arguments: helpers.make_stored(tmp_path, bundle))
    monkeypatch.setattr(read, "load_model", lambda stored, **arguments: bundle)
    config = load_inference_config({"model": {"tta": {"min_dims": [64, 96]}}})
    summary = run.run_inference("m", sources.open_project(project), tmp_path / "out", config=config, log=JsonLog())
    assert summary.images_with == {"cat": 3}
    assert [len(scores) for scores in summary.scores.values()] == [3]  # one of each image, not of each view
    assert len(network.found) == len(network.described) == 3 * 4


def test_run_inference_with_views_that_find_nothing_looks_at_lower_scores(project, tmp_path, monkeypatch, capsys):
    network = networks.Halves(networks.shares((0, 0, 1, 1, 1, 0.2)), networks.constant([[1.0]]))
    bundle = helpers.make_bundle(network)
    monkeypatch.setattr(read, "read_model", lambda *args, **arguments: helpers.make_stored(tmp_path, bundle))
    monkeypatch.setattr(read, "load_model", lambda stored, **arguments: bundle)
    config = load_inference_config({"model": {"tta": {"min_dims": [64]}}})
    options = run.Options(batch_size="auto")
    run.run_inference(
        "m", sources.open_project(project), tmp_path / "out", config=config, log=JsonLog(), options=options
    )
    assert "0 score at least 0.3 and 3 score at least 0.1" in capsys.readouterr().err
