"""Memory of the process and of GPUs in the logs of an epoch; the GPUs are made up."""

import pytest
import tensorflow as tf

from mrcnn.train import memory, memory_report
from mrcnn.train.memory_report import MemoryReport


class Log:
    """Keeps the lines."""

    def __init__(self):
        self.lines = []

    def info(self, line):
        self.lines.append(line)


@pytest.fixture
def system(monkeypatch):
    """Bytes in use, and the peak, of the process and of each GPU; to be changed by a test."""
    found = {"cpu": (1_500_000_000, 2_000_000_000), "GPU:0": (10**9, 3 * 10**9), "GPU:1": (2 * 10**9, 25 * 10**8)}
    monkeypatch.setattr(memory, "resident", lambda: found["cpu"][0])
    monkeypatch.setattr(memory, "peak", lambda: found["cpu"][1])
    info = lambda name: dict(zip(("current", "peak"), found[name], strict=True))  # noqa: E731
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", info)
    return found


def test_measured_on_the_cpu(system):
    assert memory_report.measured([]) == {"memory_gb": 1.5, "memory_peak_gb": 2.0}


def test_measured_takes_the_gpu_that_uses_most(system):
    found = memory_report.measured(["GPU:0", "GPU:1"])
    assert found == {"memory_gb": 1.5, "memory_peak_gb": 2.0, "gpu_memory_gb": 2.0, "gpu_memory_peak_gb": 3.0}
    assert memory_report.described(found) == (
        "1.5 GB of memory in use (most so far 2.0 GB), 2.0 GB of GPU memory in use (most so far 3.0 GB)"
    )


def test_measured_leaves_out_what_the_system_does_not_report(system):
    system["cpu"] = (None, None)
    assert memory_report.measured([]) == {}
    assert memory_report.described({}) == ""
    log = Log()
    MemoryReport(devices=["CPU:0"], log=log).on_epoch_end(0, {})
    assert log.lines == []


def test_measured_of_this_process_is_plausible():
    found = memory_report.measured([])
    assert not found or 0.01 < found["memory_gb"] <= found["memory_peak_gb"] < 1000


def test_report_adds_the_columns_and_logs_a_peak_that_grew(system):
    log = Log()
    report = MemoryReport(devices=["GPU:0"], log=log)
    logs = {"loss": 1.0}
    report.on_epoch_end(0, logs)
    assert logs == {
        "loss": 1.0,
        "memory_gb": 1.5,
        "memory_peak_gb": 2.0,
        "gpu_memory_gb": 1.0,
        "gpu_memory_peak_gb": 3.0,
    }
    system["cpu"] = (1_900_000_000, 2_100_000_000)  # 5 % more: not more than 5 %
    report.on_epoch_end(1, logs)
    assert len(log.lines) == 1
    system["GPU:0"] = (10**9, 3_200_000_000)
    report.on_epoch_end(2, None)
    assert log.lines == [
        "epoch 1: 1.5 GB of memory in use (most so far 2.0 GB), 1.0 GB of GPU memory in use (most so far 3.0 GB)",
        "epoch 3: 1.9 GB of memory in use (most so far 2.1 GB), 1.0 GB of GPU memory in use (most so far 3.2 GB)",
    ]
