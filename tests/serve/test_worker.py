"""The start of a worker process; whole services with workers are in `test_server.py`."""

import subprocess
import sys
from types import SimpleNamespace

from mrcnn.config.serve import ServeConfig
from mrcnn.serve import worker

from .process import ROOT


def test_make_app_is_the_workers_app(monkeypatch):
    calls = []
    fake = SimpleNamespace(make_worker=lambda config, url: calls.append((config, url)) or "app")
    monkeypatch.setattr(worker.startup, "load", lambda module: calls.append(module) or fake)
    config = ServeConfig(model="m")
    assert worker.make_app(config, "http://127.0.0.1:1") == "app"
    assert calls == ["mrcnn.serve.endpoints", (config, "http://127.0.0.1:1")]


def test_what_a_worker_starts_with_brings_no_tensorflow():
    code = "import sys, mrcnn.serve.worker, mrcnn.serve.server; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"
