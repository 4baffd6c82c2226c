"""The start of a worker process; whole services with workers are in `test_server.py`."""

import itertools
import subprocess
import sys
from types import SimpleNamespace

import pytest

from mrcnn.config.serve import ServeConfig
from mrcnn.serve import worker

from .process import ROOT


def test_make_app_is_the_workers_app(monkeypatch):
    calls, at_exit = [], []
    monkeypatch.setattr(worker.atexit, "register", at_exit.append)
    fake = SimpleNamespace(make_worker=lambda config, url: calls.append((config, url)) or "app")
    monkeypatch.setattr(worker.startup, "load", lambda module: calls.append(module) or fake)
    config = ServeConfig(model="m")
    assert worker.make_app(config, "http://127.0.0.1:1") == "app"
    assert calls == ["mrcnn.serve.app", (config, "http://127.0.0.1:1")]
    for close in at_exit:  # this process lives on and must not filter C's `stderr`
        close()
    assert len(at_exit) == 1


def test_worker_and_server_import_no_tensorflow():
    code = "import sys, mrcnn.serve.worker, mrcnn.serve.server; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"


class DyingProcess:
    """Lives for so many looks at it."""

    def __init__(self, looks):
        self.looks = looks

    def is_alive(self):
        self.looks -= 1
        return self.looks >= 0


@pytest.mark.parametrize(
    ("looks", "answers", "alive"),
    [
        (0, [True], False),
        (9, [True], True),
        (9, [False, True], True),
        (1, [False, True], False),
        (9, [False] * 9, False),
    ],
    ids=["dead", "well", "slow", "died meanwhile", "hung"],
)
def test_is_alive_of_a_worker_that_dies_meanwhile(looks, answers, alive, monkeypatch):
    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=itertools.count().__next__))
    process = object.__new__(worker.Worker)
    process.process = DyingProcess(looks)
    process.ping = lambda timeout: answers.pop(0)
    assert process.is_alive(timeout=5) is alive
