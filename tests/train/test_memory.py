import mmap
import os

import numpy as np
import pytest

from mrcnn.train import memory


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Describes a system of 1000 kB, 300 of them available; gives the folder of the container's limits."""
    monkeypatch.setattr(memory, "MACHINE", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "GROUP", tmp_path)
    (tmp_path / "meminfo").write_text("MemTotal:  1000 kB\nMemAvailable:   300 kB\n")
    return tmp_path


def test_available_is_that_of_the_machine(system):
    assert memory.available() == 300 * 1024
    (system / "memory.max").write_text("max\n")
    (system / "memory.current").write_text("1024\n")
    assert memory.available() == 300 * 1024


@pytest.mark.parametrize(("limit", "used", "expected"), [(5000, 2000, 3000), (5000, 6000, 0), (10**9, 0, 300 * 1024)])
def test_available_is_within_the_limit_of_a_container(system, limit, used, expected):
    (system / "memory.max").write_text(f"{limit}\n")
    (system / "memory.current").write_text(f"{used}\n")
    assert memory.available() == expected


def test_available_counts_cached_files(system):
    (system / "memory.max").write_text("5000\n")
    (system / "memory.current").write_text("4900\n")
    (system / "memory.stat").write_text("anon 700\ninactive_file 4000\n")
    assert memory.available() == 5000 - 4900 + 4000


def test_available_and_peak_are_none_where_the_system_reports_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "MACHINE", tmp_path / "none")
    monkeypatch.setattr(memory, "STATUS", tmp_path / "none")
    monkeypatch.setattr(memory, "RESET", tmp_path / "no" / "folder")
    assert not memory.reset_peak()
    assert memory.available() is memory.peak() is memory.resident() is None


@pytest.mark.skipif(not os.access(memory.RESET, os.W_OK), reason="the system does not let a process reset its peak")
def test_peak_counts_from_reset_peak_on():
    assert memory.reset_peak()
    before = memory.peak()
    with mmap.mmap(-1, 30_000_000) as block:  # new pages, whatever memory the process has freed before
        np.frombuffer(block, np.uint8)[:] = 1
    assert memory.peak() >= before + 20_000_000


def test_resident_and_peak_are_the_fields_of_linux(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "STATUS", tmp_path / "status")
    (tmp_path / "status").write_text("VmPeak:  900 kB\nVmHWM:  700 kB\nVmRSS:  500 kB\n")
    assert (memory.resident(), memory.peak()) == (500 * 1024, 700 * 1024)
