"""The command `train`: its options and errors, and the whole way from training to an export as a user goes it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mrcnn.commands import paths, tasks
from mrcnn.commands import train as command
from mrcnn.data.sources.source import DataPaths
from mrcnn.errors import UserError
from mrcnn.events import JsonLog, run_main
from mrcnn.report.evaluation import of_run
from mrcnn.train import run
from mrcnn.train.workers.cluster import Cluster
from tests.train import tiny

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def trained(monkeypatch):
    """Replaces the training; gives what it was asked for."""
    calls = []
    monkeypatch.setattr(run, "train", lambda config, **options: calls.append((config, options)))
    for check in ("check_start", "check_data", "check_checkpoints"):  # of paths that do not exist here
        monkeypatch.setattr(paths, check, lambda *given, **named: None)
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


@pytest.mark.parametrize("is_complete", [False, True])
def test_a_report_is_written_of_a_run_that_trained(trained, tmp_path, monkeypatch, is_complete):
    checked, written = None if is_complete else object(), []
    monkeypatch.setattr(run, "train", lambda config, **options: checked)
    monkeypatch.setattr(of_run, "write_run", lambda *given, **named: written.append((given, named)))
    task = str(write_task(tmp_path))
    command.train(command.parse(["--task-dir", task, "--report"]), log := JsonLog())
    expected = ((checked, tmp_path / "results"), {"data": tmp_path / "data", "log": log})
    assert written == ([] if is_complete else [expected])
    command.train(command.parse(["--task-dir", task]), JsonLog())
    assert len(written) == (not is_complete)


def test_another_task_folder_gives_what_is_not_named(trained, tmp_path):
    task = str(write_task(tmp_path))
    command.train(command.parse(["--task-dir", task, "--output", "elsewhere", "--model", "coco"]), JsonLog())
    ((_, options),) = trained
    assert (options["output_dir"], options["model"]) == (Path("elsewhere"), "coco")


def test_the_task_folders_model_is_left_alone_where_the_config_does_not_ask_for_it(trained, tmp_path):
    task = str(write_task(tmp_path, {"weights_init_type": "imagenet"}))
    command.train(command.parse(["--task-dir", task]), JsonLog())
    assert trained[0][1]["model"] is None


@pytest.mark.parametrize("files", [["config.json"], [], None])
def test_start_auto_uses_the_task_folders_model_where_it_is_not_empty(trained, tmp_path, files):
    task = write_task(tmp_path, {"weights_init_type": "auto"})
    if files is not None:
        (task / "model").mkdir()
        for name in files:
            (task / "model" / name).touch()
    command.train(command.parse(["--task-dir", str(task)]), JsonLog())
    ((_, options),) = trained
    assert options["model"] == (str(task / "model") if files else None)


def test_start_auto_uses_the_named_model_in_a_task(trained, tmp_path):
    task = write_task(tmp_path, {"weights_init_type": "auto"})
    command.train(command.parse(["--task-dir", str(task), "--model", "coco"]), JsonLog())
    ((_, options),) = trained
    assert options["model"] == "coco"


def test_named_paths_are_not_mixed_with_the_task_folder(trained, tmp_path):
    config = str(write_task(tmp_path) / "task_config.json")
    with pytest.raises(UserError, match="--output is missing; give it, or --task-dir"):
        command.train(command.parse(["--config", config, "--project", "p"]), JsonLog())
    command.train(command.parse(["--config", config, "--project", "p", "--output", "o"]), JsonLog())
    assert trained[0][1]["model"] is None


def test_without_anything_one_line_says_what_to_give(tmp_path, monkeypatch):
    monkeypatch.setenv("SLY_TASK_DIR", str(tmp_path / "none"))
    needed = r"by --config, --project \(or --data with --images\) and --output: see --help"
    with pytest.raises(UserError, match=rf"no task folder .*none; give another by .* {needed}"):
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


def train_with(*options):
    command.train(command.parse(["--config", "c.json", "--output", "o", *map(str, options)]), JsonLog())


def test_data_goes_to_the_training_instead_of_a_project(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.json").write_text("{}")
    train_with("--data", "t.json", "--images", "t", "--val-data", "v.json", "--val-images", "v")
    train_with("--data", "t.json")
    assert [options["data"] for _, options in trained] == [
        DataPaths(Path("t.json"), Path("t"), Path("v.json"), Path("v")),
        DataPaths(Path("t.json")),
    ]
    assert [options["project_dir"] for _, options in trained] == [None, None]


@pytest.mark.parametrize("option", ["--images", "--val-data", "--val-images"])
def test_options_of_data_without_it_are_refused(trained, option):
    with pytest.raises(UserError, match=f"{option} has no effect without --data; give both or neither"):
        train_with("--project", "p", option, "x")
    assert trained == []


def test_data_and_project_exclude_each_other(capsys):
    with pytest.raises(SystemExit):
        command.parse(["--data", "a.json", "--project", "b"])
    assert "not allowed with argument" in capsys.readouterr().err


def test_data_without_config_or_output_asks_for_them(trained, tmp_path):
    for given, missing in ((["--output", "o"], "config"), (["--config", "c"], "output")):
        with pytest.raises(UserError, match=f"--{missing} is missing; give it, or --task-dir"):
            command.train(command.parse(["--data", "a.json", *given]), JsonLog())


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


@pytest.mark.slow
def test_training_evaluation_and_inference_on_coco_json(tmp_path):
    train, val, images = tiny.write_coco(tmp_path / "coco")
    (images / "0.png").unlink()
    listed = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    config = {**tiny.CONFIG, "epochs": 1, "model": {**tiny.CONFIG["model"], "score_threshold": 0.0}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = tmp_path / "out" / "best"
    calls = (
        ["train", "--config", tmp_path / "config.json", "--data", train, "--images", images, "--val-data", val,
         "--output", tmp_path / "out"],
        ["evaluate", "--model", model, "--data", val, "--images", images, "--output", tmp_path / "ap.json"],
        ["infer", "--model", model, "--data", val, "--images", images, "--output", tmp_path / "found"],
    )  # fmt: skip
    told = []
    for arguments in calls:
        done = call("-m", "mrcnn", *arguments, "--log-format", "json")
        assert done.returncode == 0, done.stderr[-3000:]
        told.append(done.stderr)
    assert "1 image left out, file not found" in told[0]
    assert "3 training and 3 validation images" in told[0]
    assert json.loads((model / "config.json").read_text())["class_title_to_idx"] == {"bg": 0, "bar": 1, "disc": 2}
    metrics = json.loads((tmp_path / "ap.json").read_text())
    assert (metrics["images"], sum(item["objects"] for item in metrics["per_class"].values())) == (3, 3)
    found = json.loads((tmp_path / "found" / "predictions.json").read_text())
    assert [item["file_name"] for item in found["images"]] == ["4.png", "5.png", "6.png"]
    assert sorted(path.name for path in (tmp_path / "found").iterdir()) == [
        "img", "predictions.json", "predictions_results.json",
    ]  # fmt: skip
    assert [path for path in listed if not path.is_file()] == []


def test_workers_are_found_by_the_variables_that_the_option_names(trained, tmp_path, monkeypatch):
    place = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(place))
    task = str(write_task(tmp_path))
    command.train(command.parse(["--task-dir", task]), JsonLog())
    command.train(command.parse(["--task-dir", task, "--workers", "auto"]), JsonLog())
    assert [options["workers"] for _, options in trained] == [None, Cluster(("a:1", "b:2"), 1)]
    step = {"SLURM_PROCID": "1", "SLURM_STEP_NODELIST": "n[1-2]", "SLURM_STEP_TASKS_PER_NODE": "1(x2)"}
    for name, value in step.items():
        monkeypatch.setenv(name, value)
    command.train(command.parse(["--task-dir", task, "--workers", "slurm", "--workers-port", "7000"]), JsonLog())
    assert trained[-1][1]["workers"] == Cluster(("n1:7000", "n2:7000"), 1)
    monkeypatch.delenv("TF_CONFIG")
    with pytest.raises(UserError, match="TF_CONFIG is not set"):
        command.train(command.parse(["--task-dir", task, "--workers", "tf_config"]), JsonLog())
