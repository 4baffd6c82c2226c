import csv
import signal

import keras
import numpy as np
import pytest

from mrcnn.train import callbacks, loop
from mrcnn.train.checkpoint import CheckpointStore
from mrcnn.train.clock import Clock
from mrcnn.train.forecast import Forecast
from mrcnn.train.interrupt import Stopped, StopRequest
from mrcnn.train.optional_files import OptionalFiles

from . import fake


class FakeValidation(keras.callbacks.Callback):
    """Puts planned validation losses into the logs."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        if self.values[epoch] is not None:  # else this epoch is not validated
            logs["val_loss"] = self.values[epoch]
            logs["val_mask_ap"] = self.values[epoch] / 10


@pytest.fixture
def run(tmp_path, log, make_state):
    """Trains the small model with all callbacks of this module."""

    def train(
        *values, early=None, monitor="val_loss", at_step=lambda request, batch: None, at_end=lambda request: None
    ):
        model = fake.compiled(0.25)
        clock = Clock(make_state())
        store = CheckpointStore(tmp_path, layout=model.weight_layout(), config={})
        request = StopRequest()
        forecast = Forecast(steps_per_epoch=3, epochs=len(values), val_images=0, batch_size=4)
        chain = [
            clock,
            keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: at_step(request, batch)),
            callbacks.ProgressReport(clock, batch_size=4, log=log, forecast=forecast, advice="; or do less"),
            FakeValidation(values),
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: at_end(request)),
            callbacks.Recorder(clock, folder=tmp_path, batch_size=4, log=log, optional_files=OptionalFiles(log)),
            callbacks.CheckpointSaver(clock, store=store, log=log, monitor=monitor),
            *([callbacks.EarlyStop(clock, log=log, **early)] if early else []),
            callbacks.SignalStop(clock, request=request, store=store, log=log),
        ]
        loop.fit(model, fake.open_data, clock=clock, callbacks=chain, epochs=len(values))
        return clock

    return train


def test_progress_report_events_have_the_contracts_form(run, log):
    run(2.0, 1.0)
    train = [event for event in log.of("metrics") if event["type"] == "train"]
    np.testing.assert_allclose([event["epoch"] for event in train], np.arange(1, 7) / 3)
    assert set(train[0]["metrics"]) == {"loss", *fake.LOSSES}
    validated = [event for event in log.of("metrics") if event["type"] == "val"]
    assert [(event["epoch"], event["metrics"]["loss"]) for event in validated] == [(1, 2.0), (2, 1.0)]
    saved = [(e["id"], e["subdir"], e["best_now"], e["optional"]) for e in log.of("checkpoint")]
    assert saved == [(0, "00000000", True, {"loss": 2.0}), (1, "00000001", True, {"loss": 1.0})]
    progress = [(e["subtask"], e["current"], e["total"]) for e in log.of("progress")]
    assert progress[:4] == [("epoch 1/2, images", images, 12) for images in (0, 4, 8, 12)]


def test_recorder_history_has_one_row_per_epoch(run, tmp_path):
    run(2.0, 3.0)
    with (tmp_path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["lr"], row["val_loss"]) for row in rows] == [("1", "0.25", "2.0"), ("2", "0.25", "3.0")]
    assert set(fake.LOSSES) < set(rows[0])
    # 3 steps of 4 images
    assert float(rows[0]["images_per_second"]) == pytest.approx(12 / float(rows[0]["train_seconds"]), rel=0.05)
    assert (tmp_path / "curves.png").is_file()


def test_recorder_epochs_figures_hold_its_training_losses(run, log):
    clock = run(2.0, None)
    (event,) = [event for event in log.of("metrics") if event["type"] == "val"]
    assert event["training"]["loss"] == clock.rows[0]["loss"]
    assert [line for line in log.messages if line.startswith(f"epoch 2 train: loss {clock.rows[1]['loss']:.4g} ")]


def test_checkpoint_saver_without_validation_an_epoch_is_neither_best_nor_a_reason_to_stop(run, log):
    clock = run(2.0, None, 3.0, None, None, 3.0, 1.0, early={"monitor": "val_loss", "patience": 4, "min_delta": 0.0})
    assert [event["best_now"] for event in log.of("checkpoint")] == [True, False, False, False, False, False]
    assert [event["optional"]["loss"] for event in log.of("checkpoint")] == [2.0, None, 3.0, None, None, 3.0]
    assert len(clock.rows) == 6  # the fifth is the fourth without a gain, but only the sixth is looked at


def test_checkpoint_saver_before_the_first_validation_the_newest_is_best(run, log):
    run(None, None, 3.0)
    assert [event["best_now"] for event in log.of("checkpoint")] == [True, True, True]


def test_progress_report_graph_is_said_to_be_built_and_the_run_to_take_its_time(run, log, monkeypatch):
    add_step = Forecast.add_step
    monkeypatch.setattr(Forecast, "add_step", lambda forecast, seconds: add_step(forecast, 1000.0))
    run(5.0, 4.0, 3.0, 2.0, 1.0)
    assert log.messages.count("building the graph: the first step takes up to a minute") == 1
    # the first step of an epoch is not timed, so the fifth is the second of the third epoch: 7 of 15 are left
    (line,) = [line for line in log.messages if line.startswith("the run takes about ")]
    assert line == "the run takes about 1 h 57 min more, 3 epochs with validation; or do less"
    left = [event["seconds_left"] for event in log.of("progress") if "seconds_left" in event]
    assert (left[0] // 1000, left[-1] // 1000) == (7, 0)  # the rest is what the validations took


def test_checkpoint_saver_only_a_lower_loss_is_best(run, log):
    run(2.0, 2.0, 1.5)
    assert [event["best_now"] for event in log.of("checkpoint")] == [True, False, True]


def test_checkpoint_saver_higher_ap_is_best_where_it_is_what_counts(run, log):
    run(2.0, 1.0, 3.0, monitor="val_mask_ap")
    assert [event["best_now"] for event in log.of("checkpoint")] == [True, False, True]
    assert log.of("checkpoint")[1]["optional"] == {"loss": 1.0}


def test_checkpoint_saver_first_checkpoint_is_best_whatever_its_loss(run, log):
    run(float("nan"))
    assert log.of("checkpoint")[0]["best_now"] is True
    assert log.of("checkpoint")[0]["optional"] == {"loss": None}


def test_early_stopping_waits_for_its_patience(run, log):
    clock = run(2.0, 1.0, 1.5, 1.0, 0.5, early={"monitor": "val_loss", "patience": 2, "min_delta": 0.0})
    assert [row["val_loss"] for row in clock.rows] == [2.0, 1.0, 1.5, 1.0]
    assert "early stopping: `val_loss` did not get better for 2 epochs" in log.messages


def test_early_stopping_is_not_due_before_the_first_epoch(make_state, log):
    rule = {"monitor": "val_mask_ap", "patience": 1, "min_delta": 0.0, "log": log}
    assert not callbacks.EarlyStop(Clock(make_state()), **rule).is_due
    rows = ({"val_mask_ap": 0.5}, {"val_mask_ap": 0.5})
    assert callbacks.EarlyStop(Clock(make_state(2, rows=rows)), **rule).is_due


def test_early_stopping_by_itself_ends_a_flat_run(run, log):
    clock = run(*[1.0] * 9, early={"monitor": "val_loss", "patience": None, "min_delta": 0.0})
    assert len(clock.rows) == 6
    assert "early stopping: `val_loss` did not get better for 5 epochs" in log.messages


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_stop_signal_within_an_epoch_saves_and_ends(run, tmp_path, log, signum, code):
    def at_step(request, batch):
        if batch == 1:
            request.signum = signum

    with pytest.raises(Stopped) as stopped:
        run(1.0, at_step=at_step)
    assert stopped.value.code == code
    assert (tmp_path / "last").resolve().name == "00000000.step000002"
    assert "stopping: saving epoch 1 step 2 of 3" in log.messages
    assert log.messages[-1].endswith("holds the run, `train.py --resume` goes on from there")


def test_signal_stop_signal_after_the_last_step_lets_the_epoch_be_saved(run, tmp_path):
    def at_end(request):
        request.signum = signal.SIGTERM

    with pytest.raises(Stopped):
        run(1.0, 1.0, at_end=at_end)
    assert (tmp_path / "last").resolve().name == "00000000"
    assert not list(tmp_path.glob("*.step*"))
