import io
import json
import math
import os
import re

import numpy as np
import pytest

from mrcnn import errors, events


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def log(stream):
    return events.JsonLog(stream)


@pytest.fixture(autouse=True)
def no_level(monkeypatch):
    monkeypatch.delenv("LOG_LEVEL", raising=False)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_user_error_is_one_line_and_a_value_error():
    error = errors.UserError("a.json\nis  not JSON\r\nfix it")
    assert str(error) == "a.json is  not JSON fix it"
    assert isinstance(error, ValueError)


def test_every_line_has_message_timestamp_and_level(log, stream):
    log.info("hello")
    log.warning("careful")
    log.error("broken")
    found = lines(stream)
    assert [(line["message"], line["level"]) for line in found] == [
        ("hello", "info"),
        ("careful", "warn"),
        ("broken", "error"),
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"]) for line in found)
    assert list(found[0]) == ["message", "timestamp", "level"]


def test_metrics_line_has_the_original_shape_and_null_for_what_json_cannot_hold(log, stream):
    log.metrics("val", 1, {"loss": 1.0})
    assert '"epoch": 1.0' in stream.getvalue()
    stream.truncate(stream.seek(0))
    log.metrics("val", 1.5, {"loss": math.nan, "mask_ap": np.float32(0.25), "box_ap": math.inf})
    line = lines(stream)[0]
    assert line.pop("timestamp")
    assert line == {
        "message": "metrics",
        "level": "info",
        "event_type": "EventType.METRICS",
        "type": "val",
        "epoch": 1.5,
        "metrics": {"loss": None, "mask_ap": 0.25, "box_ap": None},
    }


def test_checkpoint_line_has_the_original_shape(log, stream):
    log.checkpoint(id=3, subdir="00000003", sizeb=256_000_000, best_now=True, loss=0.5)
    line = lines(stream)[0]
    assert line.pop("timestamp")
    assert line == {
        "message": "checkpoint",
        "level": "info",
        "event_type": "EventType.CHECKPOINT",
        "id": 3,
        "subdir": "00000003",
        "sizeb": 256_000_000,
        "best_now": True,
        "optional": {"loss": 0.5},
    }


def test_end_of_inference_and_ready_service_have_their_lines(log, stream):
    log.model_applied()
    log.task_deployed()
    assert [(line["message"], line["event_type"]) for line in lines(stream)] == [
        ("model applied", "EventType.MODEL_APPLIED"),
        ("Ready to get events", "EventType.TASK_DEPLOYED"),
    ]


def test_progress_is_reported_once_a_percent_and_at_the_end(log, stream):
    for current in range(1, 1001):
        log.progress("train", current, 1000)
    found = lines(stream)
    # Percent 0 at 1 of 1000, then 1 ... 100: 101 lines of 1000 calls.
    assert len(found) == 101
    assert found[0]["current"] == 1
    assert [found[1]["current"], found[2]["current"]] == [10, 20]
    assert {key: found[-1][key] for key in ("message", "event_type", "subtask", "current", "total")} == {
        "message": "progress",
        "event_type": "EventType.PROGRESS",
        "subtask": "train",
        "current": 1000,
        "total": 1000,
    }


def test_progress_of_a_second_epoch_and_of_another_subtask_is_reported_again(log, stream):
    for _ in range(2):
        for current in (1, 2):
            log.progress("train", current, 2)
    log.progress("val", 1, 1)
    log.progress("val", 1, 1)
    assert [(line["subtask"], line["current"]) for line in lines(stream)] == [
        ("train", 1),
        ("train", 2),
        ("train", 1),
        ("train", 2),
        ("val", 1),
        ("val", 1),
    ]


def test_progress_of_nothing_is_no_division_by_zero(log, stream):
    log.progress("empty", 0, 0)
    assert lines(stream)[0]["total"] == 0


def test_track_yields_the_items_and_reports_each(log, stream):
    assert list(log.track(iter("abc"), "letters", 3)) == ["a", "b", "c"]
    assert [line["current"] for line in lines(stream)] == [0, 1, 2, 3]
    assert list(log.track([], "none")) == []


def test_strangers_become_text_and_arrays_become_lists(log, stream, tmp_path):
    log.emit("odd", path=tmp_path, array=np.arange(2), scalar=np.int64(3), flag=True, none=None, pair=(1, math.nan))
    line = lines(stream)[0]
    assert line["path"] == str(tmp_path)
    assert (line["array"], line["scalar"], line["flag"], line["none"], line["pair"]) == (
        [0, 1],
        3,
        True,
        None,
        [1, None],
    )


def test_a_log_writes_to_the_stderr_of_the_moment(capsys):
    events.make_log("json").info("seen")
    assert json.loads(capsys.readouterr().err)["message"] == "seen"


@pytest.mark.parametrize(
    ("log_format", "terminal", "expected"),
    [
        ("auto", True, events.RichLog),
        ("auto", False, events.JsonLog),
        ("json", True, events.JsonLog),
        ("rich", False, events.RichLog),
    ],
)
def test_the_form_follows_the_option_and_the_terminal(monkeypatch, log_format, terminal, expected):
    monkeypatch.setattr("sys.stderr", Terminal() if terminal else io.StringIO())
    assert type(events.make_log(log_format)) is expected


def test_an_unknown_form_is_refused():
    with pytest.raises(errors.UserError, match=r"must be auto, rich or json, got 'xml'"):
        events.make_log("xml")  # type: ignore[arg-type]


def report_all(log):
    """Reports one of each; gives what `fail` raised."""
    for level in events.LEVELS:
        log.emit(level, level=level)
    log.progress("train", 1, 2)
    log.metrics("val", 1, {"loss": 0.5})
    log.checkpoint(id=0, subdir="00000000", sizeb=1, best_now=True, loss=0.5)
    log.task_deployed()
    log.model_applied()
    log.crashed(ValueError("bad"))
    log.close()


EVENTS = ["progress", "metrics", "checkpoint", "Ready to get events", "model applied"]
CRASH = "Unexpected exception in main."


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("", [*events.LEVELS, *EVENTS, CRASH]),
        ("TRACE", [*events.LEVELS, *EVENTS, CRASH]),
        ("INFO", ["info", "warn", "error", "fatal", *EVENTS, CRASH]),
        ("warning", ["warn", "error", "fatal", CRASH]),
        ("CRITICAL", ["fatal", CRASH]),
    ],
)
def test_the_level_of_the_environment_is_the_least_that_is_shown(capsys, monkeypatch, level, expected):
    report_all(events.make_log("json", environment={"LOG_LEVEL": level}))
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == expected
    monkeypatch.setenv("LOG_LEVEL", level)
    report_all(events.make_log("json"))
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == expected


def test_the_level_also_holds_for_lines_and_bars(capsys):
    report_all(events.make_log("rich", environment={"LOG_LEVEL": "ERROR"}))
    assert capsys.readouterr().err.splitlines() == [
        "error: error",
        "error: fatal",
        "error: ValueError: bad; --debug shows where",
    ]


def test_a_level_of_another_program_shows_all_and_says_so(capsys):
    events.make_log("json", environment={"LOG_LEVEL": "chatty"}).info("seen")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first["level"] == "warn"
    assert first["message"] == (
        "$LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, got 'chatty'; all is shown"
    )
    assert second["message"] == "seen"


def test_a_file_gets_everything_as_json_and_the_traceback(stream, capsys):
    report_all(events.make_log("rich", file=stream, environment={"LOG_LEVEL": "WARN"}))
    found = lines(stream)
    assert [line["message"] for line in found] == [*events.LEVELS, *EVENTS, CRASH]
    assert found[-1]["stack"] == ["ValueError: bad\n"]
    assert capsys.readouterr().err.splitlines()[0] == "warning: warn"


def test_rich_lines_are_plain_and_never_folded(stream):
    log = events.RichLog(stream)
    log.warning("[red]key[/red] :smile: " + "long " * 60)
    log.error("bad \udcff name")
    first, second = stream.getvalue().splitlines()
    assert first.startswith("warning: [red]key[/red] :smile: long")
    assert second == "error: bad \\udcff name"


def test_rich_shows_epoch_figures_checkpoints_and_what_finished(stream):
    log = events.RichLog(stream)
    for _ in log.track(range(3), "train"):
        log.metrics("train", 0.5, {"loss": 1.0})
    log.progress("train", 3, 3)
    log.metrics("val", 1.0, {"loss": 0.123456, "mask_ap": 0.5})
    log.checkpoint(id=0, subdir="00000000", sizeb=2_500_000, best_now=True, loss=0.5)
    log.checkpoint(id=1, subdir="00000001", sizeb=2_500_000, best_now=False, loss=0.75)
    log.model_applied()
    log.close()
    found = stream.getvalue().splitlines()
    assert found[0].startswith("train: 3 done in ")
    assert found[1:] == [
        "epoch 1 val: loss 0.1235 mask_ap 0.5",
        "checkpoint 00000000: 2.5 MB, loss 0.5, best so far",
        "checkpoint 00000001: 2.5 MB, loss 0.75",
        "model applied",
    ]


def test_rich_draws_a_bar_with_counts_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    log = events.RichLog(stream)
    log.progress("train", 1, 4)
    log.metrics("train", 0.25, {"loss": 2.0})
    log._bars.refresh()  # else drawn ten times a second
    log.close()
    assert "1/4" in stream.getvalue()
    assert "loss 2" in stream.getvalue()


def test_progress_says_what_is_left_of_the_whole_work(log, stream):
    log.progress("epoch 1/2, images", 1, 4, left=7384.4)
    log.progress("epoch 1/2, images", 2, 4)
    assert [line.get("seconds_left") for line in lines(stream)] == [7384, None]


def test_rich_shows_the_loss_and_the_whole_runs_time_on_80_columns(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    log = events.RichLog(stream)
    log.progress("epoch 12/40, images", 1000, 1234, left=7384.4)
    log.metrics("train", 11.8, {"loss": 1.2345, "rpn_class_loss": 0.5})
    log._bars.refresh()
    log.close()
    assert "2:03:04 left" in stream.getvalue()
    assert "loss 1.23" in stream.getvalue()
    assert "rpn_class_loss" not in stream.getvalue()


def test_an_epochs_line_holds_training_and_validation(stream):
    log = events.RichLog(stream)
    log.metrics("val", 3, {"loss": 2.0, "mask_ap": 0.5}, training={"loss": 1.0})
    assert stream.getvalue() == "epoch 3 train: loss 1; val: loss 2 mask_ap 0.5\n"


def test_figures_have_four_digits():
    assert events.figures({"loss": 0.123456, "ap": 1.0}) == "loss 0.1235 ap 1"
    assert events.figures({}) == ""


def fail(error):
    def main():
        raise error

    return main


def test_success_is_exit_code_0(log, stream):
    done = []
    assert events.run_main(lambda: done.append(1), log=log) == 0
    assert done == [1]
    assert stream.getvalue() == ""


def test_a_user_error_is_one_line_and_exit_code_1(stream):
    assert events.run_main(fail(errors.UserError("`lr` must be a number")), log=events.RichLog(stream)) == 1
    assert stream.getvalue() == "error: `lr` must be a number\n"


def test_another_exception_names_its_type_and_the_way_to_the_traceback(stream):
    assert events.run_main(fail(OSError("disk\nfull")), log=events.RichLog(stream)) == 1
    assert stream.getvalue() == "error: OSError: disk full; --debug shows where\n"
    assert events.run_main(fail(OSError()), log=events.RichLog(stream)) == 1
    assert stream.getvalue().splitlines()[1] == "error: OSError; --debug shows where"


class ResourceExhaustedError(RuntimeError):
    """Stands for TensorFlow's error of that name."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "MemoryError"),
        (np._core._exceptions._ArrayMemoryError((9, 9), np.dtype("u1")), "Unable to allocate 81 bytes"),
        (ResourceExhaustedError("OOM when allocating tensor with shape[4,256,256,256]"), "OOM when allocating tensor"),
    ],
)
def test_too_little_memory_says_what_helps(stream, error, reason):
    assert events.run_main(fail(error), log=events.RichLog(stream)) == 1
    (line,) = stream.getvalue().splitlines()
    assert line.startswith(f"error: out of memory ({reason}")
    assert "use smaller batches, a smaller `input_size`, or a device with more memory; --debug shows where" in line


@pytest.mark.parametrize("error", [errors.UserError("bad"), RuntimeError("bad")])
def test_debug_shows_the_traceback_before_the_line(stream, error):
    assert events.run_main(fail(error), log=events.RichLog(stream), debug=True) == 1
    found = stream.getvalue().splitlines()
    assert found[0] == "Traceback (most recent call last):"
    assert found[-1] in ("error: bad", "error: RuntimeError: bad")


def test_json_names_a_users_error_and_reports_a_crash_as_the_original(log, stream):
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
    assert crash["message"] == CRASH
    assert crash["exc_str"] == "KeyError: 'k'"
    assert crash["stack"][0].startswith("Traceback")


def test_ctrl_c_is_exit_code_130(log, stream):
    assert events.run_main(fail(KeyboardInterrupt()), log=log) == 130
    assert lines(stream)[0]["level"] == "warn"


def test_a_bar_left_open_is_closed():
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


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a file that is always full")
def test_a_log_that_cannot_be_written_does_not_end_a_run():
    with open("/dev/full", "w") as stream:
        log = events.JsonLog(stream)
        assert events.run_main(lambda: log.emit("full", text="a" * 100_000), log=log) == 0


@pytest.mark.parametrize("kind", [events.RichLog, events.JsonLog])
def test_titles_of_strangers_reach_no_terminal_raw_and_long_messages_are_cut(kind):
    stream = io.StringIO()
    log = kind(stream)
    log.warning("class '\x1b[2Jevil\r\x07\u202e'")
    log.error("a" * 5000)
    text = stream.getvalue()
    assert not {"\x1b", "\r", "\x07", "\u202e"} & {*text}
    assert "evil" in text
    assert all(len(line) < 700 for line in text.splitlines())  # 500 and the other fields of the JSON line
