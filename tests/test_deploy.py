"""The command `deploy.py`: what it passes on, what it answers; once with a real network."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mrcnn.commands import paths, tasks
from mrcnn.config.deploy import DeployConfig
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.export import run as exporting
from mrcnn.export.reduced import Target
from mrcnn.models import build
from mrcnn.serve import app
from mrcnn.weights import hdf5

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("deploy_script", ROOT / "deploy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def calls(monkeypatch, any_model):
    found = []
    monkeypatch.setattr(exporting, "export", lambda *args, **kwargs: found.append((args, kwargs)))
    return found


@pytest.fixture
def any_model(monkeypatch):
    """Accepts the names of a model and of images that do not exist."""
    monkeypatch.setattr(paths, "check_model", lambda model, **arguments: None)
    monkeypatch.setattr(paths, "check_images", lambda places: None)


def run(script, *arguments):
    options = script.parse([str(argument) for argument in arguments])
    log = JsonLog()
    options.run(options, log)
    return log


def test_defaults(script, calls):
    log = run(script, "export", "--model", "m", "--out", "o")
    nothing = {
        "format": Target("saved_model", "float32", None),
        "classes": None,
        "input_size": None,
        "images": None,
        "score_threshold": None,
        "device": "cpu",
        "tf32": None,
    }
    assert calls == [((Path("m"), Path("o")), {"log": log, **nothing})]


def test_every_option(script, calls):
    run(script, "export", "--model", "m.h5", "--classes", "coco", "--input-size", "64", "128", "--out", "o",
        "--images", "i", "--score-threshold", "0.25", "--device", "1", "--no-tf32", "--format", "onnx",
        "--weights", "int8", "--calibrate", "c")  # fmt: skip
    names, options = calls[0]
    assert names == (Path("m.h5"), Path("o"))
    del options["log"]
    assert options == {
        "format": Target("onnx", "int8", Path("c")),
        "classes": "coco",
        "input_size": [64, 128],
        "images": Path("i"),
        "score_threshold": 0.25,
        "device": "1",
        "tf32": False,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "--out", "o"], "required: --model"),
        (["sell"], "invalid choice: 'sell'"),
        (["--sell"], "arguments: --sell"),
    ],
)
def test_wrong_command_line(script, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        script.parse(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def served(monkeypatch, any_model):
    found = []
    monkeypatch.setattr(app, "serve", lambda config, *, log: found.append((config, log)))
    for name in ("rest_inference_port", "REST_INFERENCE_PORT", "GPU_DEVICE", "SLY_TASK_DIR"):
        monkeypatch.delenv(name, raising=False)
    return found


def test_serve_passes_on_options_and_variables(script, served, monkeypatch):
    monkeypatch.setenv("rest_inference_port", "81")
    monkeypatch.setenv("GPU_DEVICE", "1")
    log = run(script, "serve", "--model", "m", "--device", "cpu", "--log-format", "json")
    ((config, told),) = served
    assert told is log
    assert (config.model, config.host, config.port, config.device) == ("m", "127.0.0.1", 81, "cpu")
    assert config.log_format == "json"


PLATFORM = {"connection": {"token": "secret"}, "cache_limit": 7, "model_settings": {"min_confidence_threshold": 0.9}}


@pytest.mark.parametrize("way", ["default", "variable", "option", "command"])
def test_without_a_model_the_task_folders_is_served(script, served, monkeypatch, tmp_path, way):
    (tmp_path / "task_config.json").write_text(json.dumps(PLATFORM))
    if way == "default":
        monkeypatch.setattr(tasks, "ROOT", tmp_path)
    if way == "variable":
        monkeypatch.setenv("SLY_TASK_DIR", str(tmp_path))
    given = {"option": ["--task-dir", tmp_path], "command": ["serve", "--task-dir", tmp_path]}
    run(script, *given.get(way, []))
    ((config, _),) = served
    assert (config.model, config.port) == (str(tmp_path / "model"), 5000)
    assert (config.deploy.min_confidence_threshold, config.deploy.cache_limit) == (0.9, 7)


def test_a_task_folder_may_have_no_config(script, served, tmp_path):
    run(script, "--task-dir", tmp_path, "--port", "81")
    ((config, _),) = served
    assert (config.model, config.port, config.deploy) == (str(tmp_path / "model"), 81, DeployConfig())


def test_what_is_given_wins_over_the_task_folder(script, served, tmp_path):
    (tmp_path / "task_config.json").write_text(json.dumps({"gpu_device": 3}))
    (tmp_path / "other.json").write_text(json.dumps({"gpu_device": 4}))
    run(script, "--task-dir", tmp_path, "--model", "m")
    run(script, "--task-dir", tmp_path, "--config", tmp_path / "other.json")
    run(script, "serve", "--model", "m")
    assert [(config.model, config.deploy.gpu_device) for config, _ in served] == [
        ("m", 3),
        (str(tmp_path / "model"), 4),
        ("m", 0),
    ]
    with pytest.raises(UserError, match="config file not found: missing"):
        run(script, "--task-dir", tmp_path, "--config", "missing.json")


def test_without_anything_one_line_says_what_to_give(script, served, monkeypatch):
    monkeypatch.setenv("SLY_TASK_DIR", "/none")
    with pytest.raises(
        UserError, match=r"no task folder /none; give another by --task-dir or .* without it by --model:"
    ):
        run(script)


def command(*arguments):
    return subprocess.run(
        [sys.executable, ROOT / "deploy.py", *map(str, arguments)], capture_output=True, text=True, cwd=ROOT
    )


@pytest.mark.slow
def test_error_is_one_line_and_exit_code_one(tmp_path):
    done = command("export", "--model", tmp_path / "none", "--out", tmp_path / "out", "--log-format", "rich")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")] == [
        f"error: the model folder {tmp_path / 'none'} does not exist"
    ]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_real_network_end_to_end(tmp_path):
    numbers = MatterportConfig(backbone="resnet50", anchor_sizes=(8, 16, 32, 64, 128), fpn_channels=16, rpn_channels=16,
                          box_fc_channels=16, pre_nms_topk=50, post_nms_topk=20, detections_per_image=5)  # fmt: skip
    (tmp_path / "model" / "model_weights").mkdir(parents=True)
    network = build.build_model(numbers, num_classes=2)
    hdf5.write_file(tmp_path / "model" / "model_weights" / "model.h5", network.weight_layout())
    content = {
        "settings": {"input_size": {"min_dim": 64, "max_dim": 64}},
        "classes": [{"title": "cat", "shape": "bitmap", "color": "#00FF00"}],
        "class_title_to_idx": {"bg": 0, "cat": 1},
        "model": numbers.model_dump(mode="json"),
    }
    (tmp_path / "model" / "config.json").write_text(json.dumps(content))
    (tmp_path / "images").mkdir()
    for index in range(2):
        photo = np.random.default_rng(index).integers(0, 256, (70 + 40 * index, 90, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{index}.png"), photo)
    done = command("export", "--model", tmp_path / "model", "--out", tmp_path / "served" / "1", "--images",
                   tmp_path / "images", "--score-threshold", "0", "--log-format", "json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "served" / "1" / "verify.json").read_text())
    assert report["passed"]
    # two images and three variants of each, by two signatures, and their probabilities
    assert len(report["proofs"][0]["comparisons"]) == 2 * 4 * 3
    messages = [json.loads(line)["message"] for line in done.stderr.splitlines() if line.startswith("{")]
    assert messages[-1].startswith("exported to")


@pytest.mark.slow
def test_serve_without_a_model_is_one_line_and_exit_code_one(tmp_path):
    done = command("serve", "--model", tmp_path / "none", "--port", "0", "--log-format", "rich")
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")] == [
        f"error: the model folder {tmp_path / 'none'} does not exist"
    ]
