"""What only Ray does, in the environment of `make scale-test`; test_engines.py tests the rest."""

import os
import subprocess

import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")

from tests.scale import kills, toy

PYTHON = os.environ.get("MRCNN_SCALE_PYTHON")
pytestmark = [
    pytest.mark.skipif(not PYTHON, reason="Ray is in an environment of its own: make scale-test"),
    pytest.mark.slow,
]


def test_run_starts_a_ray_of_its_own_whatever_runs_here(tmp_path, monkeypatch):
    images = toy.write_images(tmp_path / "images", kills.IMAGES, broken=kills.BROKEN)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # nothing listens there
    command = [PYTHON, "-m", "tests.scale.driver", "ray", images, tmp_path / "out", "60"]
    done = subprocess.run(command, cwd=kills.ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["60", "3"])
