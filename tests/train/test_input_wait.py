"""The share of time spent waiting for batches, on clocks that the tests set; `engine` has the measurements."""

from types import SimpleNamespace

import pytest

from mrcnn.train import input_wait
from mrcnn.train.input_wait import InputWaitReport


class Waited:
    """A measurement that a test sets."""

    seconds = 0.0


@pytest.fixture
def report(log, monkeypatch):
    """Reports on epochs of (seconds, seconds waited) of each step; gives the logs of each."""
    now, waited = [0.0], Waited()
    monkeypatch.setattr(input_wait, "time", SimpleNamespace(monotonic=lambda: now[0]))
    callback = InputWaitReport(waited, log=log)

    def call(*epochs):
        found = []
        for epoch, steps in enumerate(epochs):
            callback.on_epoch_begin(epoch)
            for step, (seconds, of_it) in enumerate(steps):
                now[0] += seconds
                waited.seconds += of_it
                callback.on_train_batch_end(step)
            now[0] += 1000.0  # the validation
            logs = {"loss": 1.0}
            callback.on_epoch_end(epoch, logs)
            found.append(logs.get("input_wait"))
        return found

    return call


def test_report_leaves_out_the_first_step_of_the_run(report, log):
    # the first epoch without its first step: 1 of 2 + 2 s; the second: 0.2 of 4 s, not above 5 %
    assert report([(60, 50), (2, 1), (2, 0)], [(2, 0.1), (2, 0.1)]) == [0.25, 0.05]
    assert log.messages == ["epoch 1: 25% of the training time was spent waiting for images"]


def test_report_without_a_second_step_has_no_share(report, log):
    assert report([(60, 50)], [], [(4, 3)]) == [None, None, 0.75]
    assert log.messages == ["epoch 3: 75% of the training time was spent waiting for images"]


def test_input_wait_is_in_the_history(whole):
    header, *rows = (whole[0] / "history.csv").read_text().splitlines()
    shares = [float(row.split(",")[header.split(",").index("input_wait")]) for row in rows]
    assert len(shares) == 3
    assert all(0 <= share <= 1 for share in shares)
