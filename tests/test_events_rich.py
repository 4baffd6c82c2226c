import io

import pytest

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
