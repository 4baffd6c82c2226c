"""The command `train`: its options and errors, and the whole way from training to an export as a user goes it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mrcnn.commands import tasks
from mrcnn.commands import train as command
from mrcnn.errors import UserError
from mrcnn.events import JsonLog, run_main
from mrcnn.train import run
from tests.train import tiny

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def trained(monkeypatch):
    """Replaces the training; gives what it was asked for."""
    calls = []
    monkeypatch.setattr(run, "train", lambda config, **options: calls.append((config, options)))
    monkeypatch.delenv("SLY_TASK_DIR", raising=False)
    return calls


def write_task(folder, config=None):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "task_config.json").write_text(json.dumps(config or {}))
    return folder


@pytest.mark.parametrize("way", ["default", "variable", "option"])
def test_without_paths_the_task_folder_is_used(trained, tmp_path, monkeypatch, way):
    write_task(tmp_path, {"lr": 0.5})
    if way == "default":
        monkeypatch.setattr(tasks, "ROOT", tmp_path)
    if way == "variable":
        monkeypatch.setenv("SLY_TASK_DIR", str(tmp_path))
    command.train(command.parse(["--task-dir", str(tmp_path)] if way == "option" else []), JsonLog())
    ((config, options),) = trained
    assert config.lr == 0.5
    assert (options["project_dir"], options["output_dir"]) == (tmp_path / "data", tmp_path / "results")
    assert (options["model"], options["resume"]) == (str(tmp_path / "model"), False)


def test_another_task_folder_gives_what_is_not_named(trained, tmp_path):
    task = str(write_task(tmp_path))
    command.train(command.parse(["--task-dir", task, "--output", "elsewhere", "--model", "coco"]), JsonLog())
    ((_, options),) = trained
    assert (options["output_dir"], options["model"]) == (Path("elsewhere"), "coco")


def test_the_task_folders_model_is_left_alone_where_the_config_does_not_ask_for_it(trained, tmp_path):
    task = str(write_task(tmp_path, {"weights_init_type": "imagenet"}))
    command.train(command.parse(["--task-dir", task]), JsonLog())
    assert trained[0][1]["model"] is None


def test_named_paths_are_not_mixed_with_the_task_folder(trained, tmp_path):
    config = str(write_task(tmp_path) / "task_config.json")
    with pytest.raises(UserError, match="--output is missing; give it, or --task-dir"):
        command.train(command.parse(["--config", config, "--project", "p"]), JsonLog())
    command.train(command.parse(["--config", config, "--project", "p", "--output", "o"]), JsonLog())
    assert trained[0][1]["model"] is None


def test_without_anything_one_line_says_what_to_give(tmp_path, monkeypatch):
    monkeypatch.setenv("SLY_TASK_DIR", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"no task folder .*none; give another by .* by --config, --project, --output"):
        command.train(command.parse([]), JsonLog())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "config file not found: "),
        ({"lr": -1}, "`lr` "),
        ({"epoch": 3}, "unknown key `epoch`; did you mean `epochs`"),
        ({"input_size": {"min_dim": 250, "max_dim": 250}}, "must be a multiple of 64, got 250; use 256"),
        ({"weights_init_type": "random"}, "the project folder "),
        ({}, "the start weights are missing: "),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_1(tmp_path, capsys, config, message):
    path = tmp_path / "task_config.json"
    if config is not None:
        path.write_text(json.dumps(config))
    (tmp_path / "task_settings.json").write_text("an older name of the same, not read")
    options = command.parse(["--task-dir", str(tmp_path)])
    log = JsonLog()
    assert run_main(lambda: command.train(options, log), log=log) == 1
    (line,) = [line for line in map(json.loads, capsys.readouterr().err.splitlines()) if line["level"] == "fatal"]
    assert message in line["exc_str"]
    assert (line["event_type"], "stack" in line) == ("EventType.TASK_CRASHED", False)
    assert not (tmp_path / "results").exists()


def call(*arguments):
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_training_inference_and_export_as_a_user_calls_them(tmp_path):
    project = tiny.write_project(tmp_path / "task" / "data" / "shapes")
    config = {**tiny.CONFIG, "model": {**tiny.CONFIG["model"], "score_threshold": 0.0}}
    (tmp_path / "task" / "task_config.json").write_text(json.dumps(config))

    done = call("train.py", "--task-dir", tmp_path / "task", "--log-format", "json")
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line for line in done.stderr.splitlines() if not line.startswith("{")] == []  # TensorFlow's notes
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [event["subdir"] for event in events if event["message"] == "checkpoint"] == ["00000000", "00000001"]
    results = tmp_path / "task" / "results"
    for name in ("best/config.json", "best/model_weights/model.h5", "last/training_state.h5", "history.csv"):
        assert (results / name).is_file(), name

    done = call("train.py", "--task-dir", tmp_path / "task", "--log-format", "json", "--resume")
    assert done.returncode == 0
    assert "nothing to do: 2 of 2 epochs are made" in done.stderr

    out = tmp_path / "found"
    done = call(
        "inference.py", "--model", results / "best", "--project", project, "--output", out, "--log-format", "json"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list(out.rglob("ann/*.json"))) == 7

    exported = tmp_path / "exported"
    images = project / "ds" / "img"
    done = call("deploy.py", "export", "--model", results / "best", "--out", exported, "--images", images)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(next(exported.rglob("verify.json")).read_text())
    assert report["passed"]
