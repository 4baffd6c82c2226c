import subprocess
from types import SimpleNamespace

import pytest
import tensorflow as tf

import mrcnn
from mrcnn.card.facts import Gpu
from mrcnn.train import machine


def test_describe_this_computer():
    found = machine.describe(["CPU:0"])
    assert found.gpus == ()
    assert found.cores >= 1
    assert found.memory_gb is None or found.memory_gb > 0.5


def test_describe_reads_linux_files(tmp_path, monkeypatch):
    (tmp_path / "cpu").write_text("processor\t: 0\nmodel name\t: Some  CPU @ 2 GHz\nmodel name\t: Other\n")
    (tmp_path / "memory").write_text("MemTotal:       16000000 kB\nMemFree: 1 kB\n")
    monkeypatch.setattr(machine, "CPU_FILE", tmp_path / "cpu")
    monkeypatch.setattr(machine, "MEMORY_FILE", tmp_path / "memory")
    found = machine.describe(["CPU:0"])
    assert found.cpu == "Some CPU @ 2 GHz"
    assert found.memory_gb == 16.4  # 16,000,000 * 1024 / 1e9 = 16.384


def test_describe_without_linux_files(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPU_FILE", tmp_path / "no")
    monkeypatch.setattr(machine, "MEMORY_FILE", tmp_path / "no")
    monkeypatch.setattr(machine.platform, "processor", lambda: "")
    found = machine.describe(["CPU:0"])
    assert (found.cpu, found.memory_gb) == (None, None)


@pytest.mark.parametrize(
    ("answer", "watts"),
    [("A100, 400.00\nH200, 700.00\n", 700.0), ("H200, [N/A]\n", None), ("", None), (OSError(2, "no"), None),
     (subprocess.TimeoutExpired("nvidia-smi", 10), None)],
)  # fmt: skip
def test_describe_names_gpus_with_their_power_limit(monkeypatch, answer, watts):
    def run(command, **kwargs):
        assert command[0] == "nvidia-smi"
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(stdout=answer)

    monkeypatch.setattr(machine.subprocess, "run", run)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["a", "b"])
    details = {"a": {"device_name": "A100"}, "b": {"device_name": "H200"}}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.get)
    assert machine.describe(["GPU:1"]).gpus == (Gpu(name="H200", watts=watts),)


def test_software():
    found = machine.software()
    assert found["mrcnn"] == mrcnn.__version__
    assert found["keras"].startswith("3.")
    assert found["Python"].count(".") == 2
