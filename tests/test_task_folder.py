"""The three scripts in a task folder, as the platform starts them: what they read, write, tell and answer."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

import deploy
from mrcnn.commands import infer, tasks, train
from mrcnn.project.reader import Project

from . import old_weights
from .config import published
from .train import tiny

ROOT = Path(__file__).resolve().parents[1]
LINE = {"message", "timestamp", "level"}
CARD = ["README.md", "example-1.jpg", "example-2.jpg"]  # files of the model card, in the best checkpoint
TRAIN = published.TRAIN_CONFIGS["5.1.0 and the README"]
FULL_IMAGE = published.INFERENCE_CONFIGS["before 5.16"]
FIRST_FORM = published.FIRST_FORM_INFERENCE | {
    "gpu_devices": [0],
    "model_classes": {"save_classes": ["disc", "cat"], "add_suffix": "_old"},
}


def write_config(task, config):
    (task / "task_config.json").write_text(json.dumps(config))


def start(script, task, *arguments):
    variables = {"SLY_TASK_DIR": str(task), "DEBUG_LOG_TO_FILE": "1"}
    kept = {name: value for name, value in os.environ.items() if name not in ("LOG_LEVEL", "SLY_DEBUG")}
    command = [sys.executable, str(ROOT / script), *arguments]
    return subprocess.Popen(
        command, env={**kept, **variables}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=task.parent
    )


def call(script, task):
    """Runs a script without arguments; gives its exit code and what it told."""
    with start(script, task) as process:
        out, err = process.communicate(timeout=300)
    assert out == ""  # all is told on stderr
    told = events_of(err)
    log = max((task / "tmp").glob(f"{Path(script).stem}_*.jsonl"))
    assert [{**event, "timestamp": ""} for event in events_of(log.read_text())] == [
        {**event, "timestamp": ""} for event in told
    ]
    return process.returncode, told


def events_of(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]  # TensorFlow adds lines of its own


def of(events, kind):
    return [event for event in events if event.get("event_type") == f"EventType.{kind}"]


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def check_training(task):
    code, events = call("train.py", task)
    assert code == 0, events[-1]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"]) for event in events)
    progress = of(events, "PROGRESS")
    added = {"seconds_left"}  # once it can be told
    assert all(event.keys() - added == LINE | {"event_type", "subtask", "current", "total"} for event in progress)
    epoch = [event for event in progress if event["subtask"] == "epoch 1/2, images"]
    assert [(event["current"], event["total"]) for event in epoch] == [(0, 3), (3, 3)]  # 4 images, one step of 3
    metrics = of(events, "METRICS")
    added = {"train": set(), "val": {"training"}}
    assert all(
        event.keys() == LINE | {"event_type", "type", "epoch", "metrics"} | added[event["type"]] for event in metrics
    )
    assert [(event["type"], event["epoch"]) for event in metrics] == [
        ("train", 1.0), ("val", 1.0), ("train", 2.0), ("val", 2.0)
    ]  # fmt: skip
    assert all(event["metrics"]["loss"] > 0 for event in metrics)
    results = task / "results"
    for index, event in enumerate(of(events, "CHECKPOINT")):
        assert event.keys() == LINE | {"event_type", "id", "subdir", "sizeb", "best_now", "optional"}
        assert (event["id"], event["subdir"], event["message"]) == (index, f"{index:08d}", "checkpoint")
        folder = results / event["subdir"]
        sizes = [(folder / name).stat().st_size for name in ("config.json", "model_weights/model.h5")]
        assert event["sizeb"] == sum(sizes)
        validated = [line["metrics"]["loss"] for line in metrics if line["type"] == "val"]
        assert event["optional"] == {"loss": validated[index]}
        assert event["best_now"] == (validated[index] == min(validated[: index + 1]))
    contract = ["config.json", "model_weights/model.h5"]
    for name, expected in (("00000000", contract), ("00000001", [*contract, "training_state.h5"])):
        card = CARD if (results / "best").resolve().name == name else []
        assert files(results / name) == sorted([*card, *expected])
    assert not (results / "00000002").exists()


def check_inference(task, config, *, added):
    write_config(task, config)
    code, events = call("inference.py", task)
    assert code == 0, events[-1]
    assert [event["subtask"] for event in of(events, "PROGRESS")] == ["inference"] * 7
    assert events[-1].items() >= {"message": "model applied", "event_type": "EventType.MODEL_APPLIED"}.items()
    found = Project.open(task / "results" / "shapes")
    assert [item.title for item in found.meta.classes] == ["disc", "bar", *added]
    assert [item.ann_path.name for item in found.items] == [f"{index}.png.json" for index in range(7)]


def check_service(task):
    write_config(task, published.TASK_DEPLOY)
    with start("deploy.py", task, "--port", "0", "--device", "cpu") as process:
        try:
            told = []
            while not of(told, "TASK_DEPLOYED"):
                line = process.stderr.readline()
                assert line, told
                told += [json.loads(line)] if line.startswith("{") else []
            assert told[-1]["message"] == "Ready to get events"
            url = next(event["message"].split()[-1] for event in told if event["message"].startswith("serving"))
            image = (task / "data" / "shapes" / "ds" / "img" / "0.png").read_bytes()
            answer = requests.post(f"{url}/model/inference", files={"image": image}, timeout=120)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert answer.status_code == 200
    assert answer.json()["size"] == {"height": 48, "width": 64}
    assert {item["classTitle"] for item in answer.json()["objects"]} <= {"disc_model", "bar_model"}


@pytest.mark.slow
def test_the_published_configs_train_then_infer_then_serve_in_a_task_folder(tmp_path):
    task = tmp_path / "task"
    tiny.write_project(task / "data" / "shapes")
    (task / "model" / "model_weights").mkdir(parents=True)
    old_weights.write_network(task / "model" / "model_weights" / "model.h5", 101, 81)
    write_config(task, TRAIN)
    check_training(task)
    shutil.rmtree(task / "model")
    trained = files(task / "results" / "00000001")
    shutil.move(task / "results" / "00000001", task / "model")
    check_inference(task, FULL_IMAGE, added=["disc_maskrcnn", "bar_maskrcnn"])
    shutil.rmtree(task / "results")
    check_inference(task, FIRST_FORM, added=["disc_old"])
    check_service(task)
    assert files(task / "model") == trained
    shutil.rmtree(task)  # more than a gigabyte


def prepare(task, problem):
    """Makes a task folder with a problem: one without a project, with two, without a model, with a wrong config."""
    (task / "data").mkdir(parents=True)
    for name in {"no project": (), "two projects": ("one", "two")}.get(problem, ("one",)):
        tiny.write_project(task / "data" / name, train=1, val=1)
    write_config(task, {"lr": -1, "gpu_device": -1} if problem == "wrong config" else {})
    return str(task)


@pytest.mark.parametrize(
    ("script", "problem", "message"),
    [
        ("train", "wrong config", "unknown key `gpu_device`; did you mean `gpu_devices`; `lr` must be greater than 0"),
        ("train", "no model", "the start weights are missing: "),
        ("inference", "wrong config", "`model.gpu_device` must be greater than or equal to 0, got -1"),
        ("inference", "no project", "no project in "),
        ("inference", "two projects", "must hold one project, found 2 ("),
        ("inference", "no model", "the model folder "),
        ("deploy", "wrong config", "unknown key `lr`"),
        ("deploy", "no model", "the model folder "),
    ],
)
def test_a_problem_is_one_line_and_exit_code_1(tmp_path, capsys, script, problem, message):
    arguments = ["--task-dir", prepare(tmp_path / "task", problem), "--log-format", "json"]
    if script == "deploy":
        options = deploy.parse(arguments)
        main = options.run
    else:
        module, main = {"train": (train, train.train), "inference": (infer, infer.infer)}[script]
        options = module.parse(arguments)
    assert tasks.run(lambda log: main(options, log), options, environment={}) == 1
    captured = capsys.readouterr()
    crash = json.loads(captured.err.splitlines()[-1])
    assert crash.items() >= {"level": "fatal", "event_type": "EventType.TASK_CRASHED"}.items()
    assert message in crash["exc_str"]
    assert crash["message"] == crash["exc_str"]
    assert captured.out == ""
    assert not (tmp_path / "task" / "results").exists()
