"""Nothing is reported over the network during an export."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mrcnn.export import telemetry

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import openvino_telemetry
from mrcnn.export import telemetry
settings = dict(tid="none", app_name="test", app_version="1", backend="ga4")
with telemetry.off():
    print(openvino_telemetry.Telemetry(**settings, enable_opt_in_dialog=False, disable_in_ci=True).consent)
"""


@pytest.mark.parametrize("before", [None, "1"])
def test_off_sets_and_restores_the_variable(monkeypatch, before):
    monkeypatch.delenv("CI", raising=False)
    if before:
        monkeypatch.setenv("CI", before)
    with telemetry.off():
        assert os.environ["CI"] == "true"
    assert os.environ.get("CI") == before


def test_off_is_what_openvinos_telemetry_obeys():
    """In a process of its own, since the package keeps the first object that a process makes."""
    pytest.importorskip("openvino_telemetry", reason="the extra `openvino` is not installed")
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert done.stdout.split() == ["False"], done.stderr[-2000:]
