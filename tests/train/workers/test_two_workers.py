"""Two real workers on this machine's CPU against one process; several processes, so marked slow."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mrcnn.train import checkpoint, history
from mrcnn.train import state as states
from mrcnn.weights import hdf5
from tests.train import tiny

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
LIMIT = 900.0  # seconds after which a process is killed, so that none outlives its test
SETTINGS = {
    "optimizer": {"global_clipnorm": 1.0, "ema_momentum": 0.5, "accumulation_steps": 2},
    "batch_size": {"train": 2, "val": 2},
}


class Run:
    """The processes of one run; leaving the context kills what is left of them."""

    def __init__(self, folder, *, count, name, project, real=False, resume=False, **settings):
        self.output, self.logs, self.children = folder / name, [], []
        number = len(list(folder.glob(f"{name}.*.0.log")))
        task = folder / f"{name}.json"
        task.write_text(
            json.dumps({
                "project": str(project), "real": real, "resume": resume, "output": str(self.output),
                "settings": {**SETTINGS, **settings},
            })
        )  # fmt: skip
        addresses = _free_addresses(count)
        for index in range(count):
            # oneDNN rounds batches of different sizes otherwise
            environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
            if count > 1:
                place = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
                environment["TF_CONFIG"] = json.dumps(place)
            log = folder / f"{name}.{number}.{index}.log"
            self.logs.append(log)
            command = [sys.executable, str(Path(__file__).with_name("child.py")), str(task)]
            with log.open("w") as file:
                self.children.append(
                    subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
                )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.children:
            child.kill()
            child.wait()

    def wait(self):
        return [child.wait(LIMIT) for child in self.children]

    def wait_for_step(self, epoch):
        until = time.monotonic() + LIMIT
        while not any(event.get("type") == "train" and event["epoch"] >= epoch for event in self.events(0)):
            assert time.monotonic() < until, self.text(0)
            assert self.children[0].poll() is None, self.text(0)
            time.sleep(0.05)

    def text(self, index):
        return self.logs[index].read_text()

    def events(self, index):
        lines = self.text(index).splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def _free_addresses(count):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [f"127.0.0.1:{listener.getsockname()[1]}" for listener in listeners]
    for listener in listeners:
        listener.close()
    return found


def finish(*given, **named):
    with Run(*given, **named) as run:
        assert run.wait() == [0] * len(run.children), [run.text(index)[-3000:] for index in range(len(run.children))]
    return run


def assert_equal(one, two):
    """Compares all losses, the metrics and the weights of two runs."""
    rows, other_rows = (history.read_csv(run.output / "history.csv") for run in (one, two))
    columns = [name for name in rows[0] if name.endswith("loss") or "_ap" in name]
    assert len(columns) == 18  # 7 losses of each set, 4 measures
    assert len(rows) == len(other_rows) > 0
    for row, other in zip(rows, other_rows, strict=True):
        for name in columns:
            np.testing.assert_allclose(other[name], row[name], rtol=1e-5, atol=1e-7, err_msg=name)
    steps, other_steps = (
        [event["metrics"]["loss"] for event in run.events(0) if event.get("type") == "train"] for run in (one, two)
    )
    np.testing.assert_allclose(other_steps, steps[-len(other_steps) :], rtol=1e-5)
    folders = [checkpoint.find_last(run.output) for run in (one, two)]
    weights, other_weights = (hdf5_values(folder) for folder in folders)
    for name, value in weights.items():
        np.testing.assert_allclose(other_weights[name], value, rtol=1e-5, atol=1e-6, err_msg=name)
    state, other_state = (states.read(folder / states.FILE) for folder in folders)
    assert (state.epoch, state.step, int(state.optimizer[0])) == (
        other_state.epoch, other_state.step, int(other_state.optimizer[0]),
    )  # fmt: skip


def hdf5_values(folder):
    with hdf5.read_file(folder / checkpoint.WEIGHTS) as file:
        return {name: value[()] for layer in file.layers.values() for name, value in layer.items()}


def test_two_workers_equal_one_process_with_the_real_model(tmp_path):
    project = tiny.write_project(tmp_path / "project", train=8)
    named = {"project": project, "real": True, "epochs": 1, "optimizer": {"global_clipnorm": 1.0}}
    one = finish(tmp_path, count=1, name="one", **named, batch_size={"train": 4, "val": 2})
    two = finish(tmp_path, count=2, name="two", **named)
    assert_equal(one, two)
    assert any("CPU:0 of each of 2 workers" in event["message"] for event in two.events(0))
    assert two.events(1) == []  # one log, that of the chief


def test_a_stopped_run_goes_on_and_a_lost_worker_ends_it(tmp_path):
    """With a small model: stopped by a signal, resumed, a worker killed, resumed by one process.

    It has a synchronized batch norm, and an update takes two steps.
    """
    project = tiny.write_project(tmp_path / "project", train=8)
    named, whole = {"name": "two", "project": project}, {"train": 4, "val": 2}
    with Run(tmp_path, count=2, **named, epochs=1000) as run:
        run.wait_for_step(0.5)
        run.children[1].send_signal(signal.SIGTERM)  # one of them is enough
        assert run.wait() == [128 + signal.SIGTERM] * 2
        assert "`train.py --resume` goes on from there" in run.text(0)
    at = states.read(checkpoint.find_last(run.output) / states.FILE)
    with Run(tmp_path, count=2, **named, epochs=1000, resume=True) as run:
        run.wait_for_step(at.epoch + 1.5)
        run.children[1].kill()
        began = time.monotonic()
        assert run.wait() == [1, -signal.SIGKILL]
        assert time.monotonic() - began < 120  # TensorFlow notices it within 10 seconds
        *_, last = run.events(0)
        assert last["message"].startswith("worker 1 (127.0.0.1:")
        assert "was lost, so the run ends here" in last["message"]
    done = states.read(checkpoint.find_last(run.output) / states.FILE).epoch
    assert done > at.epoch
    run = finish(tmp_path, count=1, **named, epochs=done + 1, resume=True, batch_size=whole)
    one = finish(tmp_path, count=1, name="one", project=project, epochs=done + 1, batch_size=whole)
    assert_equal(one, run)
