import argparse
import json
from pathlib import Path

import pytest

from mrcnn.commands import paths, serve
from mrcnn.config.serve import ServeConfig
from mrcnn.errors import UserError
from mrcnn.serve import app


def read(*arguments, environment=None, warn=lambda line: None):
    parser = argparse.ArgumentParser()
    serve.add_options(parser)
    return serve.read_settings(parser.parse_args(["--model", "m", *arguments]), environment or {}, warn=warn)


def test_read_settings_of_a_model_alone_has_the_defaults():
    assert read() == ServeConfig(model="m")


def test_read_settings_reads_every_option():
    config = read(
        "--model", "n", "--classes", "coco", "--input-size", "64", "128",
        "--host", "0.0.0.0", "--port", "80", "--device", "1", "--precision", "mixed_float16", "--no-tf32",
        "--score-threshold", "0.25", "--workers", "2", "--batch-size", "8", "--batch-wait-ms", "2.5",
        "--max-pixels", "9", "--max-body-bytes", "7", "--api", "2019", "--name", "coins", "--drain-seconds", "3",
        "--allow-host", "vision.lan", "vision",
    )  # fmt: skip
    assert config == ServeConfig(
        model="n", classes="coco", input_size=(64, 128),
        host="0.0.0.0", port=80, device="1", precision="mixed_float16", tf32=False, score_threshold=0.25, workers=2,
        batch_size=8, batch_wait_ms=2.5, max_pixels=9, max_body_bytes=7, api="2019", name="coins", drain_seconds=3,
        allow_host=("vision.lan", "vision"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "port"),
    [
        ({"rest_inference_port": "81"}, 81),
        ({"REST_INFERENCE_PORT": "82"}, 82),
        ({"rest_inference_port": "81", "REST_INFERENCE_PORT": "82"}, 81),
        ({"rest_inference_port": ""}, 5000),
    ],
)
def test_read_settings_reads_the_old_variables_of_the_port(environment, port):
    assert read(environment=environment).port == port


def test_read_settings_option_before_variable_before_config(tmp_path):
    path = tmp_path / "deploy.json"
    path.write_text(json.dumps({"gpu_device": 3, "min_confidence_threshold": 0.9}))
    environment = {"GPU_DEVICE": "2", "rest_inference_port": "81"}
    given = read("--config", str(path), "--port", "83", "--device", "cpu", environment=environment)
    assert (given.port, given.device) == (83, "cpu")
    given = read("--config", str(path), environment=environment)
    assert (given.port, given.device, given.deploy.gpu_device) == (81, "2", 3)
    assert given.deploy.min_confidence_threshold == 0.9


@pytest.mark.parametrize("text", ["abc", "65536", "-1", "5000.0", "٣"])
def test_read_settings_names_a_variable_that_is_no_port(text):
    with pytest.raises(UserError) as caught:
        read(environment={"rest_inference_port": text})
    assert str(caught.value) == (
        f"the environment variable rest_inference_port must be a port number 0..65535, got {json.dumps(text)}"
    )


def test_read_settings_passes_on_warnings_of_the_config(tmp_path):
    path, warnings = tmp_path / "deploy.json", []
    path.write_text(json.dumps({"connection": {"token": "secret"}}))
    read("--config", str(path), warn=warnings.append)
    assert warnings == ["`connection` has no effect: the service is not connected to a platform"]


def test_add_options_help_names_the_defaults(capsys):
    with pytest.raises(SystemExit):
        read("--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "default 127.0.0.1" in text
    assert "$rest_inference_port; default 5000" in text


def test_main_serves_with_the_options(monkeypatch):
    calls = []
    monkeypatch.setattr(app, "serve", lambda settings, *, log: calls.append(settings))
    monkeypatch.setattr(paths, "check_model", lambda model, **arguments: None)
    assert serve.main(["--model", "m", "--port", "0", "--log-format", "json"]) == 0
    (settings,) = calls
    assert (Path(settings.model), settings.port, settings.host) == (Path("m"), 0, "127.0.0.1")


def test_main_without_a_model_needs_a_task_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SLY_TASK_DIR", str(tmp_path / "none"))
    assert serve.main(["--log-format", "json"]) == 1
    assert "there is no task folder" in capsys.readouterr().err
