"""What only Spark does, in the environment of `make scale-test`; test_engines.py tests the rest."""

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
