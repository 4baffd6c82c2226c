import io

import pytest
from rich import console

from mrcnn import events
from tests.log_streams import Terminal


@pytest.fixture
def stream():
    return io.StringIO()


def test_emit_of_rich_log_writes_plain_lines_never_folded(stream):
    log = events.RichLog(stream)
    log.warning("[red]key[/red] :smile: " + "long " * 60)
    log.error("bad \udcff name")
    first, second = stream.getvalue().splitlines()
    assert first.startswith("warning: [red]key[/red] :smile: long")
    assert second == "error: bad \\udcff name"


def test_metrics_and_checkpoint_of_rich_log_print_lines(stream):
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


def test_progress_of_rich_log_draws_a_bar_with_counts_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    log = events.RichLog(stream)
    log.progress("train", 1, 4)
    log.metrics("train", 0.25, {"loss": 2.0})
    log._bars.refresh()  # else drawn ten times a second
    log.close()
    assert "1/4" in stream.getvalue()
    assert "loss 2" in stream.getvalue()


def test_progress_of_rich_log_shows_loss_and_the_whole_runs_time_on_80_columns(monkeypatch):
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


def test_metrics_of_rich_log_prints_training_and_validation_in_one_line(stream):
    log = events.RichLog(stream)
    log.metrics("val", 3, {"loss": 2.0, "mask_ap": 0.5}, training={"loss": 1.0})
    assert stream.getvalue() == "epoch 3 train: loss 1; val: loss 2 mask_ap 0.5\n"


def test_metrics_of_rich_log_leaves_out_the_parts_of_the_loss_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    stream = Terminal()
    found = {"loss": 2.0, "rpn_class_loss": 0.5, "mask_ap": 0.5}
    events.RichLog(stream).metrics("val", 3, found, training={"loss": 1.0, "l2_loss": 0.5})
    assert "epoch 3 train: loss 1; val: loss 2 mask_ap 0.5\n" in stream.getvalue()


def test_emit_of_rich_log_wraps_between_words_on_a_terminal_and_keeps_paths_whole(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "20")
    stream, path = Terminal(), "/a/path/that/is/longer/than/the/terminal"
    events.RichLog(stream).info(f"nine letters written to {path}; done")
    assert stream.getvalue().splitlines() == ["nine letters written", "to", f"{path};", "done"]


LOSSES = ("rpn_class", "rpn_bbox", "mrcnn_class", "mrcnn_bbox", "mrcnn_mask", "semantic")
METRICS = {"loss": 1.23456, **{f"{name}_loss": 0.25 for name in LOSSES}}
LONG = "convert a_data_set_with_a_name_that_fills_more_than_one_line_of_a_terminal_of_eighty_columns_2026"


def bar_lines(monkeypatch, width, *, subtask, total, left=None, metrics=None):
    """Draws a bar that is 7/8 full on a terminal of a width; its lines as they are shown."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    log = events.RichLog(Terminal())
    for current in range(total * 7 // 8 - 3, total * 7 // 8 + 1):
        log.progress(subtask, current, total, left=left)
    if metrics:
        log.metrics("train", 1.5, metrics)
    shown = console.Console(file=io.StringIO(), width=width)
    shown.print(log._bars.get_renderable())
    log.close()
    return shown.file.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize("width", [80, 200])
def test_progress_of_rich_log_is_one_line_of_whole_columns(monkeypatch, width):
    cases = [
        ("epoch 120/240, images", 118_287, 273_844.4, METRICS),  # 273,844 s: 76 h, 4 min, 4 s
        ("validation, images", 5000, None, METRICS),
        (LONG, 118_287, None, None),
        ("inference", 8, None, None),
        ("[red]tag[/red]", 8, None, None),
    ]
    for subtask, total, left, metrics in cases:
        [line] = bar_lines(monkeypatch, width, subtask=subtask, total=total, left=left, metrics=metrics)
        assert len(line.rstrip()) <= width
        assert f"{total * 7 // 8}/{total} " in line
        assert ("76:04:04 left" if left else ":") in line
        assert ("loss 1.235" in line) == bool(metrics)
        assert line.startswith("convert a_data_s" if subtask == LONG else subtask)
        assert ("…" in line) == (subtask == LONG)


def test_metrics_beside_a_bar_are_whole_ones_as_many_as_fit(monkeypatch):
    """On 200 columns 200 - (21 + 20 + 13 + 9 + 13) - 5 = 119 remain; with mrcnn_mask_loss 115 are used."""
    [line] = bar_lines(monkeypatch, 200, subtask="epoch 120/240, images", total=118_287, left=9.0, metrics=METRICS)
    assert line.rstrip().endswith("mrcnn_bbox_loss 0.25 mrcnn_mask_loss 0.25")
    [line] = bar_lines(monkeypatch, 300, subtask="epoch 120/240, images", total=118_287, left=9.0, metrics=METRICS)
    assert line.rstrip().endswith("semantic_loss 0.25")


def test_progress_of_rich_log_on_a_narrow_terminal_is_cut_but_not_folded(monkeypatch):
    [line] = bar_lines(monkeypatch, 50, subtask="epoch 120/240, images", total=118_287, left=273_844.4, metrics=METRICS)
    assert len(line.rstrip()) <= 50


@pytest.mark.parametrize("width", ["80", "200"])
def test_progress_without_a_terminal_writes_short_lines_without_carriage_returns(monkeypatch, stream, width):
    monkeypatch.setenv("COLUMNS", width)
    log = events.RichLog(stream)
    for _ in log.track(range(4), LONG):
        log.metrics("train", 0.5, METRICS)
    log.close()
    [line] = stream.getvalue().splitlines()
    assert line.startswith(f"{LONG}: 4 done in ")
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
