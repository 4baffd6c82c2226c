"""The command `inference.py`: which paths it takes, what it answers; once with a real network."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mrcnn.commands import infer, paths, tasks
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.model_folder import read
from mrcnn.models import build
from mrcnn.project.reader import Project
from mrcnn.weights import hdf5
from tests.images.test_video import write as write_video
from tests.predict import helpers

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def loaded(monkeypatch):
    """Replaces the loading of a model; gives what it was asked for and the arguments."""
    calls = []
    bundle = helpers.make_bundle()

    def read_model(model, *, classes, input_size):
        calls.append((model, classes, input_size))
        return helpers.make_stored(model, bundle)

    def load_model(stored, **arguments):
        calls.append(arguments)
        return bundle

    monkeypatch.setattr(paths, "check_model", lambda model, **arguments: None)
    monkeypatch.setattr(read, "read_model", read_model)
    monkeypatch.setattr(read, "load_model", load_model)
    return calls


@pytest.fixture
def task(tmp_path):
    """A task folder as the platform makes it."""
    helpers.write_project(tmp_path / "data" / "animals", {"ds/a.png": (20, 30, 200, [], [])})
    mode = {"name": "full_image", "model_classes": {"add_suffix": "_found"}}
    for name in ("task_config.json", "task_settings.json"):  # the platform writes the same under an old name too
        (tmp_path / name).write_text(json.dumps({"model": {"gpu_device": 3}, "mode": mode}))
    return tmp_path


def run(*arguments):
    infer.infer(infer.parse(list(map(str, arguments))), JsonLog())


def test_a_video_among_the_images(task, loaded, tmp_path):
    clip = write_video(tmp_path / "clip.mp4", [(200, 200, 200)] * 2)
    run("--model", "m", "--images", clip, "--output", tmp_path / "out", "--overlay", "--batch-size", "2")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clip.jsonl", "clip.mp4"]
    with pytest.raises(UserError, match=r"clip\.mp4 must be the only --images"):
        run("--model", "m", "--images", clip, tmp_path, "--output", tmp_path / "other")


def test_task_folder_holds_everything(task, loaded):
    run("--task-dir", task)
    assert loaded[0] == (task / "model", None, None)
    assert loaded[1]["device"] == 3
    result = Project.open(task / "results" / "animals")
    assert [item.title for item in result.meta.classes] == ["cat", "cat_found", "dog_found"]


@pytest.mark.parametrize("way", ["default", "variable"])
def test_task_folder_that_is_not_named(task, loaded, monkeypatch, way):
    monkeypatch.setattr(tasks, "ROOT", task if way == "default" else task / "none")
    monkeypatch.setenv("SLY_TASK_DIR", str(task) if way == "variable" else "")
    run()
    assert loaded[0] == (task / "model", None, None)
    assert Project.open(task / "results" / "animals").items


def test_task_folder_for_what_is_not_named(task, tmp_path, loaded):
    run("--task-dir", task, "--model", tmp_path / "other")
    assert loaded[0] == (tmp_path / "other", None, None)
    assert [item.title for item in Project.open(task / "results" / "animals").meta.classes][1] == "cat_found"


def test_no_task_folder(monkeypatch):
    monkeypatch.setenv("SLY_TASK_DIR", "/none")
    needed = r"by --model, --project \(or --images\) and --output: see --help"
    with pytest.raises(UserError, match=rf"no task folder /none; give another by .* {needed}"):
        run()


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (("--model", "m"), "--project (or --images) and --output are missing; give them"),
        (("--images", "x", "--output", "o"), "--model is missing; give it"),
        (("--images", "x"), "--model and --output are missing; give them"),
        (("--project", "p", "--output", "o"), "--model is missing; give it"),
        (("--model", "m", "--output", "o"), "--project (or --images) is missing; give it"),
    ],
)
def test_given_paths_are_not_mixed_with_the_task_folder(given, missing):
    with pytest.raises(UserError, match=f"^{re.escape(missing)}, or --task-dir"):
        run(*given)


def test_task_folder_without_config(task, loaded):
    (task / "task_config.json").unlink()
    with pytest.raises(UserError, match=r"config file not found: .*task_config\.json"):
        run("--task-dir", task)


def test_given_paths_need_no_task_folder(task, tmp_path, loaded):
    helpers.write_image(tmp_path / "photos" / "x.png", 20, 20, 100)
    run("--model", tmp_path / "m", "--classes", "cat,dog", "--input-size", 64, 128,
        "--images", tmp_path / "photos", "--output", tmp_path / "out", "--overlay", "--score-threshold", "0.25",
        "--batch-size", "2", "--device", "cpu", "--precision", "mixed_bfloat16", "--no-tf32")  # fmt: skip
    assert loaded[0] == (tmp_path / "m", "cat,dog", [64, 128])
    assert {key: loaded[1][key] for key in ("score_threshold", "device", "precision", "tf32")} == {
        "score_threshold": 0.25,
        "device": "cpu",
        "precision": "mixed_bfloat16",
        "tf32": False,
    }
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "overlay",
        "photos",
        "predictions.json",
        "predictions_results.json",
    ]
    result = Project.open(tmp_path / "out" / "photos")  # without a config: the published preset's suffix
    assert [item.title for item in result.meta.classes] == ["cat_maskrcnn", "dog_maskrcnn"]


def test_project_with_config(task, tmp_path, loaded):
    run("--model", tmp_path / "m", "--project", task / "data", "--output", tmp_path / "out",
        "--config", task / "task_config.json")  # fmt: skip
    assert [item.title for item in Project.open(tmp_path / "out").meta.classes] == ["cat", "cat_found", "dog_found"]


def test_project_and_images_exclude_each_other(capsys):
    with pytest.raises(SystemExit):
        infer.parse(["--project", "a", "--images", "b"])
    assert "not allowed with argument" in capsys.readouterr().err


def test_data_reads_the_images_that_it_lists(tmp_path, loaded):
    for name in ("a.png", "sub/b.png", "c.png"):
        helpers.write_image(tmp_path / "photos" / name, 20, 20, 100)
    listed = [{"id": number, "file_name": name} for number, name in enumerate(("sub/b.png", "a.png", "gone.png"))]
    (tmp_path / "x.json").write_text(json.dumps({"images": listed}))
    given = ("--model", tmp_path / "m", "--data", tmp_path / "x.json", "--images", tmp_path / "photos")
    run(*given, "--output", tmp_path / "out")
    predictions = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [item["file_name"] for item in predictions["images"]] == ["a.png", "sub/b.png"]
    project = Project.open(tmp_path / "out" / "photos")
    assert [(item.dataset, item.name) for item in project.items] == [("ds", "a.png"), ("ds/sub", "b.png")]


@pytest.mark.parametrize(
    "others", [("--project", "p"), ("--images", "a", "b"), ("--images", "a", "--recursive")], ids=lambda given: given[0]
)
def test_data_goes_with_one_folder_of_images(others):
    with pytest.raises(UserError, match="--data goes with one folder of --images and without --project and --rec"):
        run("--model", "m", "--output", "o", "--data", "x.json", *others)


def test_data_without_its_folder_of_images(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(UserError, match=r"--images is missing: name the folder of the images that .*x\.json lists"):
        run("--model", "m", "--output", tmp_path / "o", "--data", tmp_path / "x.json")


def command(*arguments):
    return subprocess.run(
        [sys.executable, ROOT / "inference.py", *map(str, arguments)], capture_output=True, text=True, cwd=ROOT
    )


def write_model(folder):
    """Writes the folder of a real network with random weights; gives the network."""
    numbers = MatterportConfig(backbone="resnet50", fpn_channels=16, rpn_channels=16, box_fc_channels=16,
                               pre_nms_topk=50, post_nms_topk=20, detections_per_image=5)  # fmt: skip
    model = build.build_model(numbers, num_classes=3)
    (folder / "model_weights").mkdir(parents=True)
    hdf5.write_file(folder / "model_weights" / "model.h5", model.weight_layout())
    content = {
        "settings": {"input_size": {"min_dim": 64, "max_dim": 64}},
        "classes": [{"title": title, "shape": "bitmap", "color": "#00FF00"} for title in ("bg", "cat", "dog")],
        "class_title_to_idx": {"bg": 0, "cat": 1, "dog": 2},
        "model": numbers.model_dump(mode="json"),
    }
    (folder / "config.json").write_text(json.dumps(content))
    return model


@pytest.mark.slow
def test_real_network_end_to_end(tmp_path):
    model = write_model(tmp_path / "model")
    for index in range(3):
        helpers.write_image(tmp_path / "photos" / f"{index}.png", 40 + 30 * index, 60, 80 * index)
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no image")
    done = command("--model", tmp_path / "model", "--images", tmp_path / "photos", "--output", tmp_path / "out",
                   "--score-threshold", "0", "--batch-size", "2", "--overlay", "--log-format", "json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    predictions = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert len(predictions["images"]) == 3
    assert 1 <= len(predictions["annotations"]) <= 15  # random weights find something at threshold 0
    result = Project.open(tmp_path / "out" / "photos")
    labels = sum(len(item.read_annotation(result.meta).labels) for item in result.items)
    assert labels == len(predictions["annotations"])
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert lines[-1]["event_type"] == "EventType.MODEL_APPLIED"
    assert any("broken.jpg is skipped" in line["message"] for line in lines)
    # the stored weights are used: the loaded model agrees with the one they came from
    loaded = read.load_model(read.read_model(tmp_path / "model")).model
    for (_, ours), (_, theirs) in zip(loaded.weight_layout(), model.weight_layout(), strict=True):
        for (name, left), (_, right) in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(left.numpy(), right.numpy(), err_msg=name)


@pytest.mark.slow
def test_error_is_one_line_and_exit_code_one(tmp_path):
    helpers.write_image(tmp_path / "photos" / "x.png", 20, 20, 100)
    done = command("--model", tmp_path / "none", "--images", tmp_path / "photos", "--output", tmp_path / "out",
                   "--log-format", "rich")  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")] == [
        f"error: the model folder {tmp_path / 'none'} does not exist"
    ]


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path):
    write_model(tmp_path / "model")
    for index in range(9):
        helpers.write_image(tmp_path / "photos" / f"{index:02}.png", 110 + index, 200, 20 * index)
    mode = {
        "name": "sliding_window",
        "window": {"width": 64, "height": 64},
        "min_overlap": {"x": 16, "y": 16},
        "save": True,
    }
    (tmp_path / "config.json").write_text(json.dumps({"model": {}, "mode": mode}))
    arguments = ["--model", tmp_path / "model", "--images", tmp_path / "photos", "--config", tmp_path / "config.json",
                 "--score-threshold", "0", "--log-format", "json", "--output"]  # fmt: skip
    assert command(*arguments, tmp_path / "once").returncode == 0

    with subprocess.Popen(
        [sys.executable, ROOT / "inference.py", *map(str, arguments), tmp_path / "out"],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stderr:
            if '"current": 4' in line:
                process.kill()
                break
    left = {path.name for path in (tmp_path / "out").iterdir() if not path.name.endswith(".lock")}  # held by nobody
    assert left == {"photos.journal", "photos.partial"}
    refused = command(*arguments, tmp_path / "out")
    assert refused.returncode == 1
    assert "images of an interrupted run; continue it with --resume" in refused.stderr

    done = command(*arguments, tmp_path / "out", "--resume")
    assert done.returncode == 0, done.stderr
    assert re.search(r"[4-8] of 9 images are done already", done.stderr)
    files = [
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("once", "out")
    ]
    assert files[0] == files[1]
    assert len(files[0]) == 9 * 2 + 3
