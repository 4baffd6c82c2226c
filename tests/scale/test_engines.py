"""Jobs run by Ray and by Spark, in the environment of `make scale-test`: the rows of a plain run, and random kills."""

import os
import subprocess

import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")

from mrcnn.scale import job
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


def test_run_repeats_the_shard_of_a_lost_device(killer, tmp_path):
    environment = {**os.environ, "TOY_PROCESSES": str(tmp_path)}
    command = [PYTHON, "-m", "tests.scale.driver", killer.engine, killer.images, tmp_path / "out", "4", "lost once"]
    done = subprocess.run(command, cwd=kills.ROOT, env=environment, capture_output=True, text=True)
    assert (tmp_path / "first").exists()  # a process has lost its device
    # a line of Ray about the lost process comes before
    assert done.stdout.splitlines()[-1] == f"60 3 {kills.detections(killer.expected())}"
    found = job.open_job(str(tmp_path / "out"))
    assert [row for shard in range(found.shards) for row in found.rows_of(shard)] == killer.expected()


def test_run_ends_when_the_device_is_lost_from_the_start(killer, tmp_path):
    command = [PYTHON, "-m", "tests.scale.driver", killer.engine, killer.images, tmp_path / "out", "4", "lost"]
    done = subprocess.run(command, cwd=kills.ROOT, capture_output=True, text=True)
    [line] = done.stdout.splitlines()
    assert (done.returncode, line[:19]) == (1, "the model fails on ")
    assert job.open_job(str(tmp_path / "out")).missing() == list(range(15))
