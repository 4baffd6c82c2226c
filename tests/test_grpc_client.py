"""The example client of TensorFlow Serving's gRPC interface; `make export-test` makes its environment."""

import os
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from mrcnn.export import run as exporting
from mrcnn.export.formats import table
from mrcnn.predict.predictor import Predictor
from tests.export.helpers import photo
from tests.predict import helpers

ROOT = Path(__file__).parents[1]
RUNTIMES = os.environ.get("MRCNN_RUNTIMES")
THRESHOLD = 0.25

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(RUNTIMES is None, reason="needs an environment with tensorflow-serving-api: make export-test"),
]


def python():
    return str(Path(RUNTIMES, "saved_model", "bin", "python"))


@pytest.fixture(scope="module")
def live():
    return Predictor(helpers.make_bundle(helpers.Thresholded(THRESHOLD), score_threshold=THRESHOLD))


@pytest.fixture(scope="module")
def address(live, tmp_path_factory):
    """Exports the model and serves it, named `coins`."""
    folder = tmp_path_factory.mktemp("coins") / "1"
    exporting.write(live.bundle, folder, format=table.find("saved_model"))
    command = [python(), ROOT / "tests" / "grpc_server.py", folder, "coins"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    yield f"127.0.0.1:{int(server.stdout.readline())}"
    server.terminate()
    server.communicate()


def run(*arguments):
    command = [python(), ROOT / "examples" / "client_grpc.py", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.fixture
def image(tmp_path):
    pixels = photo(50, 40).clip(100)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png", pixels


def test_client_prints_what_the_live_model_finds(address, live, image):
    path, pixels = image
    [expected] = live.predict([pixels])
    assert len(expected.scores) >= 1
    code, lines, error = run(path, address, "coins")
    assert code == 0, error
    assert lines == [
        " ".join([str(class_id), f"{score:.3f}", *(f"{side:.1f}" for side in box)])
        for class_id, score, box in zip(expected.class_ids, expected.scores, expected.boxes, strict=True)
    ]


def test_client_ends_with_the_reason_of_a_refusal(address, image):
    code, lines, error = run(image[0], address, "other")
    assert (code, lines) == (1, [])
    assert "NOT_FOUND: Servable not found for request: other" in error


def test_client_ends_where_nobody_listens(address, image):
    code, lines, error = run(image[0], "127.0.0.1:9", "coins")
    assert (code, lines) == (1, [])
    assert "UNAVAILABLE: " in error
