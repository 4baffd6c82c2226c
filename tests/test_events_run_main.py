import io

import numpy as np
import pytest

from mrcnn import errors, events
from tests.log_streams import Terminal, lines


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def log(stream):
    return events.JsonLog(stream)


def fail(error):
    def main():
        raise error

    return main


def test_run_main_returns_0_after_success(log, stream):
    done = []
    assert events.run_main(lambda: done.append(1), log=log) == 0
    assert done == [1]
    assert stream.getvalue() == ""


def test_run_main_reports_a_user_error_in_one_line_and_returns_1(stream):
    assert events.run_main(fail(errors.UserError("`lr` must be a number")), log=events.RichLog(stream)) == 1
    assert stream.getvalue() == "error: `lr` must be a number\n"


def test_run_main_names_the_type_of_another_exception_and_the_way_to_the_traceback(stream):
    assert events.run_main(fail(OSError("disk\nfull")), log=events.RichLog(stream)) == 1
    assert stream.getvalue() == "error: OSError: disk full; --debug shows where\n"
    assert events.run_main(fail(OSError()), log=events.RichLog(stream)) == 1
    assert stream.getvalue().splitlines()[1] == "error: OSError; --debug shows where"


class ResourceExhaustedError(RuntimeError):
    """A fake of the TensorFlow error of that name."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "MemoryError"),
        (np._core._exceptions._ArrayMemoryError((9, 9), np.dtype("u1")), "Unable to allocate 81 bytes"),
        (ResourceExhaustedError("OOM when allocating tensor with shape[4,256,256,256]"), "OOM when allocating tensor"),
    ],
)
def test_run_main_says_what_helps_with_too_little_memory(stream, error, reason):
    assert events.run_main(fail(error), log=events.RichLog(stream)) == 1
    (line,) = stream.getvalue().splitlines()
    assert line.startswith(f"error: out of memory ({reason}")
    assert "use smaller batches, a smaller `input_size`, or a device with more memory; --debug shows where" in line


def test_run_main_adds_nothing_to_an_out_of_memory_error_that_has_advice(stream):
    error = errors.OutOfMemory("out of memory for 1 model input: use less")
    assert events.run_main(fail(error), log=events.RichLog(stream)) == 1
    assert stream.getvalue() == "error: out of memory for 1 model input: use less\n"


def test_run_main_leaves_a_user_error_that_lack_of_memory_caused(stream):
    error = errors.UserError("`a` is too large")
    error.__cause__ = MemoryError()
    assert events.run_main(fail(error), log=events.RichLog(stream)) == 1
    assert stream.getvalue() == "error: `a` is too large\n"


@pytest.mark.parametrize("error", [errors.UserError("bad"), RuntimeError("bad")])
def test_run_main_with_debug_shows_the_traceback_before_the_line(stream, error):
    assert events.run_main(fail(error), log=events.RichLog(stream), debug=True) == 1
    found = stream.getvalue().splitlines()
    assert found[0] == "Traceback (most recent call last):"
    assert found[-1] in ("error: bad", "error: RuntimeError: bad")


def test_crashed_names_a_users_error_and_reports_a_crash_as_the_original(log, stream):
    assert events.run_main(fail(errors.UserError("`lr` must be a number")), log=log) == 1
    line = lines(stream)[0]
    assert line.pop("timestamp")
    assert line == {
        "message": "`lr` must be a number",
        "level": "fatal",
        "event_type": "EventType.TASK_CRASHED",
        "exc_str": "`lr` must be a number",
    }
    assert events.run_main(fail(KeyError("k")), log=log, debug=True) == 1
    crash = lines(stream)[1]
    assert crash["message"] == "Unexpected exception in main."
    assert crash["exc_str"] == "KeyError: 'k'"
    assert crash["stack"][0].startswith("Traceback")


def test_run_main_returns_130_after_ctrl_c(log, stream):
    assert events.run_main(fail(KeyboardInterrupt()), log=log) == 130
    assert lines(stream)[0]["level"] == "warn"


def test_run_main_closes_a_bar_left_open():
    stream = Terminal()
    log = events.RichLog(stream)
    assert events.run_main(lambda: log.progress("work", 1, 2), log=log) == 0
    assert log._tasks == {}

    def main():
        for _ in log.track(range(5), "work"):
            raise errors.UserError("stopped half way")

    assert events.run_main(main, log=log) == 1
    assert "error: stopped half way" in stream.getvalue()
    assert log._tasks == {}
