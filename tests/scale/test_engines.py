"""Jobs run by Ray and by Spark, in the environment of `make scale-test`: the rows of a plain run, and random kills."""

import os
import subprocess

import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")

from tests.scale import kills

PYTHON = os.environ.get("MRCNN_SCALE_PYTHON")
pytestmark = [
    pytest.mark.skipif(not PYTHON, reason="Ray and Spark are in an environment of their own: make scale-test"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module", params=["ray", "spark"])
def killer(request, tmp_path_factory):
    """Runs a job without kills and checks its rows."""
    return kills.Killer(tmp_path_factory.mktemp(request.param), request.param, python=PYTHON, seconds=0.1).measure()


def test_run_makes_the_rows_of_a_plain_run(killer):
    killer.finish()  # again: all is done
    killer.check()


def test_run_survives_ten_kills_of_a_worker(killer):
    killer.hits = 0
    for seed in range(10):
        killer.kill_worker(kills.rng(seed))
    assert killer.hits >= 5  # the others came after the end


def test_run_survives_ten_kills_of_the_driver(killer):
    killer.hits = 0
    for seed in range(5):  # two kills each
        killer.kill_driver(kills.rng(seed))
    assert killer.hits >= 5


def test_run_ends_with_the_error_of_a_worker_in_one_line(killer, tmp_path):
    command = [PYTHON, "-m", "tests.scale.driver", killer.engine, killer.images, tmp_path / "out", "4", "breaks"]
    done = subprocess.run(command, cwd=kills.ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "the model breaks only in workers\n")
