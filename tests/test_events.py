import io
import json
import math
import os
import re

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


@pytest.fixture(autouse=True)
def no_level(monkeypatch):
    monkeypatch.delenv("LOG_LEVEL", raising=False)


def test_a_user_error_is_one_line_and_a_value_error():
    error = errors.UserError("a.json\nis  not JSON\r\nfix it")
    assert str(error) == "a.json is  not JSON fix it"
    assert isinstance(error, ValueError)


def test_emit_writes_message_timestamp_and_level(log, stream):
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


def test_metrics_writes_the_original_shape_and_null_for_what_json_cannot_hold(log, stream):
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


def test_checkpoint_writes_the_original_shape(log, stream):
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


def test_model_applied_and_task_deployed_write_their_lines(log, stream):
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


def test_emit_writes_strangers_as_text_and_arrays_as_lists(log, stream, tmp_path):
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


def test_emit_writes_to_the_stderr_of_the_moment(capsys):
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
def test_make_log_follows_the_option_and_the_terminal(monkeypatch, log_format, terminal, expected):
    monkeypatch.setattr("sys.stderr", Terminal() if terminal else io.StringIO())
    assert type(events.make_log(log_format)) is expected


def test_make_log_refuses_an_unknown_form():
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
def test_make_log_shows_from_the_level_of_the_environment(capsys, monkeypatch, level, expected):
    report_all(events.make_log("json", environment={"LOG_LEVEL": level}))
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == expected
    monkeypatch.setenv("LOG_LEVEL", level)
    report_all(events.make_log("json"))
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == expected


def test_make_log_applies_the_level_to_lines_and_bars(capsys):
    report_all(events.make_log("rich", environment={"LOG_LEVEL": "ERROR"}))
    assert capsys.readouterr().err.splitlines() == [
        "error: error",
        "error: fatal",
        "error: ValueError: bad; --debug shows where",
    ]


def test_make_log_shows_all_and_says_so_with_a_level_of_another_program(capsys):
    events.make_log("json", environment={"LOG_LEVEL": "chatty"}).info("seen")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first["level"] == "warn"
    assert first["message"] == (
        "$LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, got 'chatty'; all is shown"
    )
    assert second["message"] == "seen"


def test_make_log_writes_everything_to_a_file_as_json_with_the_traceback(stream, capsys):
    report_all(events.make_log("rich", file=stream, environment={"LOG_LEVEL": "WARN"}))
    found = lines(stream)
    assert [line["message"] for line in found] == [*events.LEVELS, *EVENTS, CRASH]
    assert found[-1]["stack"] == ["ValueError: bad\n"]
    assert capsys.readouterr().err.splitlines()[0] == "warning: warn"


def test_progress_says_what_is_left_of_the_whole_work(log, stream):
    log.progress("epoch 1/2, images", 1, 4, left=7384.4)
    log.progress("epoch 1/2, images", 2, 4)
    assert [line.get("seconds_left") for line in lines(stream)] == [7384, None]


def test_figures_have_four_digits():
    assert events.figures({"loss": 0.123456, "ap": 1.0}) == "loss 0.1235 ap 1"
    assert events.figures({}) == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a file that is always full")
def test_emit_that_cannot_write_does_not_end_a_run():
    with open("/dev/full", "w") as stream:
        log = events.JsonLog(stream)
        assert events.run_main(lambda: log.emit("full", text="a" * 100_000), log=log) == 0


@pytest.mark.parametrize("kind", [events.RichLog, events.JsonLog])
def test_warning_and_error_escape_titles_and_cut_long_messages(kind):
    stream = io.StringIO()
    log = kind(stream)
    log.warning("class '\x1b[2Jevil\r\x07\u202e'")
    log.error("a" * 5000)
    text = stream.getvalue()
    assert not {"\x1b", "\r", "\x07", "\u202e"} & {*text}
    assert "evil" in text
    assert all(len(line) < 700 for line in text.splitlines())  # 500 and the other fields of the JSON line
