"""Jobs run by Spark, in the environment of `make scale-test`: the rows of a plain run, and kills at random moments."""

import os
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")

from tests.scale import kills

PYTHON = os.environ.get("MRCNN_SCALE_PYTHON")
pytestmark = [
    pytest.mark.skipif(not PYTHON, reason="Spark is in an environment of its own: make scale-test"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def killer(tmp_path_factory):
    """An undisturbed run, whose rows are checked."""
    return kills.Killer(tmp_path_factory.mktemp("spark"), "spark", python=PYTHON, seconds=0.1).measure()


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


def test_run_tells_the_error_of_a_worker_in_one_line(killer, tmp_path):
    command = [PYTHON, "-m", "tests.scale.driver", "spark", killer.images, tmp_path / "out", "4", "breaks"]
    done = subprocess.run(command, cwd=kills.ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "the model breaks only in workers\n")


def test_session_keeps_the_master_of_spark_submit(tmp_path):
    script = tmp_path / "master.py"
    script.write_text(
        "from mrcnn.scale import spark\nsession = spark._session(None, 2)\n"
        "print('master', session.sparkContext.master)\nsession.stop()\n"
    )
    settings = ("driver.host=127.0.0.1", "driver.bindAddress=127.0.0.1", "ui.enabled=false")
    command = [Path(PYTHON).with_name("spark-submit"), "--master", "local[3]"]
    done = subprocess.run(
        [*command, *(part for item in settings for part in ("--conf", f"spark.{item}")), script],
        env={**os.environ, "PYTHONPATH": str(kills.ROOT), "PYSPARK_PYTHON": PYTHON},
        capture_output=True,
        text=True,
    )
    assert "master local[3]" in done.stdout.splitlines(), done.stderr


def test_session_of_a_named_local_master_listens_on_this_machine_alone():
    code = (
        "from mrcnn.scale import spark\nsession = spark._session('local[1]', 2)\n"
        "conf = session.sparkContext.getConf()\n"
        "print(session.sparkContext.master, conf.get('spark.driver.bindAddress'), session.sparkContext.uiWebUrl)\n"
        "session.stop()\n"
    )
    done = subprocess.run([PYTHON, "-c", code], cwd=kills.ROOT, capture_output=True, text=True)
    assert done.stdout == "local[1] 127.0.0.1 None\n", done.stderr
