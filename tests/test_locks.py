import os
import signal
import subprocess
import sys

import pytest

from mrcnn import locks
from mrcnn.errors import UserError

HOLD = """
import sys
from mrcnn import locks
with getattr(locks, sys.argv[1])(sys.argv[2], warn=print):
    print("held", flush=True)
    sys.stdin.read()
"""


def refuse_warning(text):
    raise AssertionError(text)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until it is ended."""
    started = []

    def start(kind):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, kind, str(tmp_path / "out")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", ["inside", "beside"])
def test_a_second_run_is_refused_and_told_of_the_first(tmp_path, holder, kind):
    process = holder(kind)
    with (
        pytest.raises(UserError, match=rf"another run is writing to .*out \(process {process.pid} on .*since 20"),
        getattr(locks, kind)(tmp_path / "out", warn=refuse_warning),
    ):
        pass


@pytest.mark.parametrize("kind", ["inside", "beside"])
def test_a_killed_run_releases_its_lock(tmp_path, holder, kind):
    process = holder(kind)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with getattr(locks, kind)(tmp_path / "out", warn=refuse_warning):
        (lock,) = tmp_path.rglob("*.lock")
        assert f"process {os.getpid()} on " in lock.read_text()


@pytest.mark.parametrize("kind", ["inside", "beside"])
def test_nothing_is_left_of_a_lock(tmp_path, kind):
    with getattr(locks, kind)(tmp_path / "new" / "out", warn=refuse_warning):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["new"]


def test_two_outputs_do_not_disturb_each_other(tmp_path):
    with locks.inside(tmp_path / "a", warn=refuse_warning), locks.inside(tmp_path / "b", warn=refuse_warning):
        assert (tmp_path / "a" / ".mrcnn.lock").read_text().startswith(f"process {os.getpid()} on ")


def test_a_lock_is_seen_through_a_link(tmp_path, holder):
    holder("inside")
    (tmp_path / "link").symlink_to("out")
    with (
        pytest.raises(UserError, match=r"another run is writing to .*link"),
        locks.inside(tmp_path / "link", warn=refuse_warning),
    ):
        pass


@pytest.mark.parametrize("kind", ["inside", "beside"])
@pytest.mark.parametrize("place", ["file/out", "/proc/out"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, kind, place):
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"cannot write to the output .*out: .*; name another place"),
        getattr(locks, kind)(tmp_path / place, warn=refuse_warning),
    ):
        pass


def test_an_output_folder_that_is_a_file_is_said_to_be_one(tmp_path):
    (tmp_path / "out").touch()
    with (
        pytest.raises(UserError, match="out: it is a file, not a folder; name another place"),
        locks.inside(tmp_path / "out", warn=refuse_warning),
    ):
        pass


def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch):
    def fail(self):
        raise OSError(locks.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.filelock.FileLock, "acquire", fail)
    warnings = []
    with locks.inside(tmp_path, warn=warnings.append):
        pass
    assert len(warnings) == 1
    assert "cannot lock files" in warnings[0]


def test_remove_left_lock_that_a_killed_run_left_is_removed_but_not_a_held_one(tmp_path, holder):
    (tmp_path / ".out.lock").touch()
    locks.remove_left(tmp_path / "out")
    assert not list(tmp_path.iterdir())
    holder("beside")
    locks.remove_left(tmp_path / "out")
    assert (tmp_path / ".out.lock").exists()
