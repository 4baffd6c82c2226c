"""The command that prints AP; what it measures is tested in `tests/evaluate/test_run.py`."""

import argparse
import dataclasses
import json
from pathlib import Path

import pytest

from mrcnn.commands import evaluate, paths
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.model_folder import read
from tests.predict import helpers


@pytest.fixture(autouse=True)
def any_model(monkeypatch):
    """Accepts the name of a model that does not exist."""
    monkeypatch.setattr(paths, "check_model", lambda model, **arguments: None)


@pytest.fixture
def project(tmp_path):
    return helpers.write_scored_project(tmp_path)


def test_command(project, tmp_path, monkeypatch, capsys):
    bundle, calls = helpers.make_bundle(), []
    asked = []
    stored = helpers.make_stored(tmp_path, bundle)
    monkeypatch.setattr(read, "read_model", lambda model, **arguments: asked.append((model, arguments)) or stored)
    monkeypatch.setattr(read, "load_model", lambda stored, **arguments: calls.append(arguments) or bundle)
    output = tmp_path / "new" / "metrics.json"
    args = ["--model", "m.h5", "--classes", "cat,dog", "--input-size", "64", "128"]
    args += ["--project", str(project), "--tag", "val", "--output", str(output), "--no-tf32"]
    evaluate.evaluate(evaluate.parse(args), JsonLog())
    assert asked == [(Path("m.h5"), {"classes": "cat,dog", "input_size": [64, 128]})]
    assert calls[0]["tf32"] is False
    content = json.loads(output.read_text())
    assert content["score_threshold"] == calls[0]["score_threshold"] == 0.05
    assert content["mask_ap"] == 1.0
    assert content["mask_ap_large"] is None
    assert content["per_class"]["cat"]["box_ap_large"] is None
    assert capsys.readouterr().out.splitlines()[-1].startswith("all ")


def test_command_writes_a_report(measured, project, tmp_path, capsys):
    args = ["--model", str(tmp_path / "m.h5"), "--project", str(project), "--tag", "val"]
    evaluate.evaluate(evaluate.parse([*args, "--report", str(tmp_path / "new" / "r.html")]), JsonLog())
    table = capsys.readouterr().out
    assert (tmp_path / "new" / "r.html").read_text().count("<section") == 8
    evaluate.evaluate(evaluate.parse(args), JsonLog())
    assert capsys.readouterr().out == table
    with pytest.raises(UserError, match=r"the report .* must be a file, it is a folder"):
        evaluate.evaluate(evaluate.parse([*args, "--report", str(tmp_path)]), JsonLog())


def test_command_takes_the_mode_from_a_config(project, tmp_path, monkeypatch, capsys):
    bundle = helpers.make_bundle()
    monkeypatch.setattr(read, "read_model", lambda model, **arguments: helpers.make_stored(tmp_path, bundle))
    monkeypatch.setattr(read, "load_model", lambda stored, **arguments: bundle)
    config = tmp_path / "mode.json"
    mode = {"name": "sliding_window_det", "window": {"width": 12, "height": 12}, "join_iou_threshold": None}
    config.write_text(json.dumps({"model": {}, "mode": mode}))
    args = ["--model", "m", "--project", str(project), "--tag", "val", "--config", str(config)]
    evaluate.evaluate(evaluate.parse(args), JsonLog())
    # 20 x 30 pixels are 2 x 3 windows of 12, 40 x 24 are 4 x 2, and each is a cat
    assert next(line for line in capsys.readouterr().out.splitlines() if line.startswith("cat ")).split()[2] == "14"


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Replaces the model by one that finds a cat in each image, and a dog in its upper half."""
    bundle = helpers.make_bundle()
    monkeypatch.setattr(read, "read_model", lambda model, **arguments: helpers.make_stored(tmp_path, bundle))
    monkeypatch.setattr(read, "load_model", lambda stored, **arguments: bundle)


def coco_file(folder, *, categories=("cat", "dog")):
    """Writes two images, one a crowd of cats and one a cat with a dog in the upper half."""
    images, runs = [], {"size": [20, 30], "counts": [0, 600]}
    for number in (1, 2):
        helpers.write_image(folder / "img" / f"{number}.png", 20, 30, 240 - 50 * number)
        images.append({"id": number, "file_name": f"{number}.png", "height": 20, "width": 30})
    objects = [(1, 1, runs, 1), (2, 1, runs, 0), (2, 2, [[0, 0, 30, 0, 30, 10, 0, 10]], 0), (2, 2, [[1, 2]], 0)]
    annotations = [
        {"id": number, "image_id": image, "category_id": category, "segmentation": drawn, "iscrowd": crowd}
        for number, (image, category, drawn, crowd) in enumerate(objects)
    ]
    named = [{"id": number, "name": name} for number, name in enumerate(categories, start=1)]
    (folder / "a.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": named}))
    return ["--model", "m", "--data", str(folder / "a.json"), "--images", str(folder / "img")]


def test_command_measures_on_coco_json(measured, tmp_path, capsys):
    evaluate.evaluate(evaluate.parse([*coco_file(tmp_path), "--output", str(tmp_path / "ap.json")]), JsonLog())
    metrics = json.loads((tmp_path / "ap.json").read_text())
    # the crowd of cats excuses the first image's cat; its dog is wrong and ranks first, so the dogs' AP is 1/2
    assert (metrics["per_class"]["cat"]["mask_ap"], metrics["per_class"]["dog"]["mask_ap"]) == (1.0, 0.5)
    assert [metrics["per_class"][name]["objects"] for name in ("cat", "dog")] == [1, 1]
    assert "1 object left out, the outline" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("categories", "more", "message"),
    [
        (
            ("owl", "fox"),
            (),
            r"none of the COCO file's classes \(fox, owl; .*evaluate on a COCO file with",
        ),
        (
            ("cat", "dog"),
            ("--tag", "val"),
            "none of the 2 images has the tag 'val'; name another, the COCO file",
        ),
    ],
)
def test_command_names_the_coco_file_in_errors(measured, tmp_path, categories, more, message):
    with pytest.raises(UserError, match=message):
        evaluate.evaluate(evaluate.parse([*coco_file(tmp_path, categories=categories), *more]), JsonLog())


@pytest.mark.parametrize("given", [[], ["--project", "p", "--data", "a.json"]])
def test_parse_needs_a_project_or_data(given, capsys):
    with pytest.raises(SystemExit):
        evaluate.parse(["--model", "m", *given])
    assert "--project" in capsys.readouterr().err


def test_parse_without_anything_shows_all_that_is_needed(capsys):
    with pytest.raises(SystemExit):
        evaluate.parse([], prog="mrcnn evaluate")
    first = capsys.readouterr().err.splitlines()[0]
    assert first == "usage: mrcnn evaluate --model MODEL (--project DIR | --data JSON --images DIR) [OPTION ...]"


def test_command_refuses_images_without_data(project):
    with pytest.raises(UserError, match="--images has no effect without --data; give both or neither"):
        evaluate.evaluate(evaluate.parse(["--model", "m", "--project", str(project), "--images", "x"]), JsonLog())


def test_command_refuses_a_batch_of_none():
    with pytest.raises(UserError, match="batch size must be at least 1, got -1"):
        evaluate.evaluate(argparse.Namespace(batch_size=-1), JsonLog())


def test_command_averages_over_groups(measured, tmp_path, capsys):
    output = tmp_path / "ap.json"
    args = [*coco_file(tmp_path), "--group", "both=cat, dog", "--group", "dogs=dog", "--output", str(output)]
    evaluate.evaluate(evaluate.parse(args), JsonLog())
    groups = json.loads(output.read_text())["groups"]
    assert (groups["both"]["mask_ap"], groups["dogs"]["mask_ap"]) == ((1.0 + 0.5) / 2, 0.5)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[-3:]] == ["all", "both", "dogs"]


def test_command_splits_the_classes_of_a_model_whose_masks_trained_on_some(project, tmp_path, monkeypatch, capsys):
    bundle = helpers.make_bundle()
    stored = dataclasses.replace(helpers.make_stored(tmp_path, bundle), mask_classes=("dog",))
    monkeypatch.setattr(read, "read_model", lambda model, **arguments: stored)
    monkeypatch.setattr(read, "load_model", lambda stored, **arguments: bundle)
    evaluate.evaluate(evaluate.parse(["--model", "m", "--project", str(project), "--tag", "val"]), JsonLog())
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[-2:]] == ["seen", "unseen"]


@pytest.mark.parametrize("text", ["cat", "=cat", "pets=", "pets=,"])
def test_parse_refuses_a_group_without_name_or_classes(text, capsys):
    with pytest.raises(SystemExit):
        evaluate.parse(["--model", "m", "--project", "p", "--group", text])
    assert f"must be NAME=CLASS,CLASS, got {text!r}" in capsys.readouterr().err


def test_command_evaluates_the_validation_images_or_warns_that_it_evaluates_all(project, tmp_path, monkeypatch, capsys):
    bundle = helpers.make_bundle()
    stored = helpers.make_stored(tmp_path, bundle)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(json.dumps({"data": {"name": project.name}}))
    monkeypatch.setattr(read, "read_model", lambda model, **arguments: stored)
    monkeypatch.setattr(read, "load_model", lambda stored, **arguments: bundle)
    args = ["--model", str(tmp_path / "run"), "--project", str(project)]
    counts = []
    for more in (["--val"], ["--tag", "val"], []):
        evaluate.evaluate(evaluate.parse([*args, *more]), JsonLog())
        counts.append(capsys.readouterr())
    assert counts[0].out == counts[1].out != counts[2].out
    assert "2 validation images of" in counts[0].err
    assert "--val takes the validation images" in counts[2].err
    assert "--val takes" not in counts[1].err
    with pytest.raises(SystemExit):
        evaluate.parse([*args, "--val", "--tag", "x"])
