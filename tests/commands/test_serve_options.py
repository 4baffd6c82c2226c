import argparse
import json

import pytest

from mrcnn.commands import serve_options
from mrcnn.config.serve import ServeConfig
from mrcnn.errors import UserError


def read(*arguments, environment=None, warn=lambda line: None):
    parser = argparse.ArgumentParser()
    serve_options.add_to(parser)
    return serve_options.read(parser.parse_args(["--model", "m", *arguments]), environment or {}, warn=warn)


def test_a_model_alone_has_the_defaults():
    assert read() == ServeConfig(model="m")


def test_every_option():
    config = read(
        "--model", "n", "--classes", "coco", "--input-size", "64", "128",
        "--host", "0.0.0.0", "--port", "80", "--device", "1", "--precision", "mixed_float16",
        "--score-threshold", "0.25", "--workers", "2", "--batch-size", "8", "--batch-wait-ms", "2.5",
        "--max-pixels", "9", "--max-body-bytes", "7", "--api", "2019", "--name", "coins", "--drain-seconds", "3",
        "--allow-host", "vision.lan", "vision",
    )  # fmt: skip
    assert config == ServeConfig(
        model="n", classes="coco", input_size=(64, 128),
        host="0.0.0.0", port=80, device="1", precision="mixed_float16", score_threshold=0.25, workers=2,
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
def test_the_old_variables_of_the_port(environment, port):
    assert read(environment=environment).port == port


def test_an_option_comes_before_a_variable_and_that_before_the_config(tmp_path):
    path = tmp_path / "deploy.json"
    path.write_text(json.dumps({"gpu_device": 3, "min_confidence_threshold": 0.9}))
    environment = {"GPU_DEVICE": "2", "rest_inference_port": "81"}
    given = read("--config", str(path), "--port", "83", "--device", "cpu", environment=environment)
    assert (given.port, given.device) == (83, "cpu")
    given = read("--config", str(path), environment=environment)
    assert (given.port, given.device, given.deploy.gpu_device) == (81, "2", 3)
    assert given.deploy.min_confidence_threshold == 0.9


@pytest.mark.parametrize("text", ["abc", "65536", "-1", "5000.0", "٣"])
def test_a_variable_that_is_no_port_is_named(text):
    with pytest.raises(UserError) as caught:
        read(environment={"rest_inference_port": text})
    assert str(caught.value) == (
        f"the environment variable rest_inference_port must be a port number 0..65535, got {json.dumps(text)}"
    )


def test_what_the_config_has_to_say_reaches_the_user(tmp_path):
    path, warnings = tmp_path / "deploy.json", []
    path.write_text(json.dumps({"connection": {"token": "secret"}}))
    read("--config", str(path), warn=warnings.append)
    assert warnings == ["`connection` has no effect: the service is not connected to a platform"]


def test_help_names_the_defaults(capsys):
    with pytest.raises(SystemExit):
        read("--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "default 127.0.0.1" in text
    assert "$rest_inference_port; default 5000" in text
