import os
import subprocess
from types import SimpleNamespace

import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")

from mrcnn.scale import machine


@pytest.mark.parametrize(
    ("items", "count", "shares"),
    [
        ([0, 1, 2, 3, 4], 2, [[0, 2, 4], [1, 3]]),
        ([0, 1], 2, [[0], [1]]),
        ([0, 1], 3, [[0], [1], [0]]),  # more workers than cores: two share one
        ([], 2, [[], []]),
    ],
)
def test_share(items, count, shares):
    assert [machine.share(items, index, count) for index in range(count)] == shares


def test_use_threads_keeps_what_the_user_set():
    environment = {"OMP_NUM_THREADS": "7"}
    machine.use_threads(3, environment)
    assert environment == {"OMP_NUM_THREADS": "7", "TF_NUM_INTRAOP_THREADS": "3", "TF_NUM_INTEROP_THREADS": "3"}


@pytest.mark.parametrize(("value", "names"), [("0,2", ["0", "2"]), ("", []), ("-1", []), ("GPU-a1", ["GPU-a1"])])
def test_gpus_that_the_user_made_visible(value, names):
    assert machine.gpus({"CUDA_VISIBLE_DEVICES": value}) == names


def test_gpus_of_the_driver(monkeypatch):
    monkeypatch.setattr(machine.subprocess, "run", lambda *given, **options: SimpleNamespace(stdout="0\n1\n"))
    assert machine.gpus({}) == ["0", "1"]


@pytest.mark.parametrize("error", [FileNotFoundError(), subprocess.CalledProcessError(9, "nvidia-smi")])
def test_gpus_without_a_driver(monkeypatch, error):
    def fail(*given, **options):
        raise error

    monkeypatch.setattr(machine.subprocess, "run", fail)
    assert machine.gpus({}) == []


@pytest.mark.parametrize(("index", "gpu"), [(0, "3"), (1, "5"), (2, "3")])
def test_settle_shares_cores_and_gpus(monkeypatch, index, gpu):
    chosen = []
    monkeypatch.setattr(machine, "cores", lambda: [0, 1, 2, 3])
    monkeypatch.setattr(machine.os, "sched_setaffinity", lambda process, mine: chosen.append(mine), raising=False)
    for name in (machine.GPU_VARIABLE, *machine.THREAD_VARIABLES):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    machine.settle(index, 3, gpu_names=["3", "5"])
    assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu
    assert chosen == [[[0, 3], [1], [2]][index]]
    assert os.environ["OMP_NUM_THREADS"] == str(len(chosen[0]))


def test_settle_hides_the_gpus_of_a_run_on_the_cpu(monkeypatch):
    monkeypatch.setattr(machine.os, "sched_setaffinity", lambda process, mine: None, raising=False)
    for name in (machine.GPU_VARIABLE, *machine.THREAD_VARIABLES):
        monkeypatch.setenv(name, "0")
    machine.settle(0, 1, gpu_names=[])
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"
