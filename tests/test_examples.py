"""The example clients, each run against a service."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.helpers import image_bytes, make_predictor, running

ROOT = Path(__file__).parents[1]
CLIENTS = {
    "client.py": [sys.executable],
    "client.mjs": ["node"],
    "client.sh": ["sh"],
}
LINES = ["1 0.800 0.0 0.0 20.0 30.0", "2 0.400 0.0 0.0 10.0 30.0"]  # the brightness of 200, and half of that below
NOBODY = "http://127.0.0.1:9"  # the port of the discard service, where nobody listens


@pytest.fixture(scope="module")
def service():
    with running(make_predictor(score_threshold=0.1)) as found:
        yield found


@pytest.fixture
def image(tmp_path):
    (tmp_path / "white.png").write_bytes(image_bytes(20, 30, value=204))  # 0.8 of white
    return tmp_path / "white.png"


def run(client, *arguments):
    [program, *more] = CLIENTS[client]
    if shutil.which(program) is None or (client.endswith("sh") and shutil.which("curl") is None):
        pytest.skip(f"needs {program} and what {client} calls")
    command = [program, *more, ROOT / "examples" / client, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("client", ["client.py", "client.mjs"])
def test_client_prints_a_line_for_each_object(client, service, image):
    done = run(client, image, service.url)
    assert (done.stderr, done.stdout.splitlines()) == ("", LINES)


def test_client_of_the_shell_prints_the_answer(service, image):
    done = run("client.sh", image, service.url)
    found = {item["name"]: item["data"] for item in json.loads(done.stdout)["outputs"]}
    assert found["class_ids"] == [1, 2]
    assert found["scores"] == pytest.approx([0.8, 0.4], abs=1e-3)
    assert set(found) == {"class_ids", "scores", "boxes"}


@pytest.mark.parametrize("client", CLIENTS)
def test_client_ends_with_the_reason_of_a_refusal(client, service, image):
    done = run(client, image, service.url, "other")
    assert done.returncode != 0
    assert "there is no model" in (done.stderr + done.stdout)


@pytest.mark.parametrize("client", CLIENTS)
def test_client_says_that_nobody_answers(client, image):
    done = run(client, image, NOBODY)
    assert done.returncode != 0
    assert "127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr
