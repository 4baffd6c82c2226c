"""Whole runs on a drawn project, with a small fake model; the real model trains in `test_train_script.py`.

`make test-backends` repeats them on JAX and PyTorch.
"""

import csv
import json
import signal

import cv2
import keras
import numpy as np
import pytest

from mrcnn.data.order import epoch_order
from mrcnn.errors import UserError
from mrcnn.model_folder import precision, read
from mrcnn.train import checkpoint
from mrcnn.train.interrupt import Stopped
from mrcnn.train.invalid_loss import InvalidLoss

from . import fake
from .runs import SignalLog, assert_same_run, contents

ON_TENSORFLOW = keras.config.backend() == "tensorflow"
COMPILED = ", compiled by XLA" if keras.config.backend() == "jax" else ""  # of steps
EVENTS = ["tensorboard"] if ON_TENSORFLOW else []  # the other back ends write none


def test_a_run_leaves_the_contracts_files(whole):
    output, _ = whole
    assert sorted(path.name for path in output.iterdir()) == [
        "00000000", "00000001", "00000002", "best", "curves.png", "example-1.jpg", "example-2.jpg", "history.csv",
        "last", "run.json", *EVENTS, "val_examples", "val_per_class.csv",
    ]  # fmt: skip
    content = json.loads((output / "last" / "config.json").read_text())
    assert content["class_title_to_idx"] == {"bg": 0, "bar": 1, "disc": 2}
    assert [item["title"] for item in content["classes"]] == ["disc", "bar", "bg"]
    size = {"min_dim": 64, "max_dim": 64, "shape": "rectangle", "width": 0, "height": 0}
    assert content["settings"]["input_size"] == size
    folder = read.read_model(output)
    assert folder.class_names == ("bg", "bar", "disc")
    for name in EVENTS:
        assert sorted(path.name for path in (output / name).iterdir()) == ["train", "validation"]
    pictures = [f"epoch_000{epoch}.jpg" for epoch in (1, 2, 3)]
    assert sorted(path.name for path in (output / "val_examples").iterdir()) == pictures
    assert all(cv2.imread(str(output / "val_examples" / name)) is not None for name in pictures)


def test_a_run_tells_its_plan_and_its_events(whole):
    _, log = whole
    for line in (
        "6 training and 3 validation images, 0 images with neither tag",
        "weights: random",
        "classes: 0 bg, 1 bar, 2 disc",
        "schedule: 3 epochs of 3 steps of 2 images, sgd, lr 0.05 constant",
        f"device: CPU:0, float32{COMPILED}",
    ):
        assert line in log.messages
    assert len([event for event in log.of("metrics") if event["type"] == "train"]) == 9
    validated = [event["metrics"] for event in log.of("metrics") if event["type"] == "val"]
    assert set(validated[0]) == {
        "loss", *fake.LOSSES, "l2_loss", "box_ap", "box_ap50", "mask_ap", "mask_ap50",
    }  # fmt: skip
    assert validated[-1]["box_ap50"] == 1.0  # the fake model detects the truth as class 1 or 2


def test_the_loss_falls(whole):
    rows = contents(whole[0])[3]
    assert float(rows[-1]["val_loss"]) < 0.9 * float(rows[0]["val_loss"])


def test_the_same_seed_gives_the_same_run_and_another_does_not(whole, train, tmp_path):
    train(tmp_path / "same")
    assert_same_run(whole[0], tmp_path / "same")
    train(tmp_path / "other", seed=1, epochs=1)
    assert contents(tmp_path / "other")[3][0]["loss"] != contents(whole[0])[3][0]["loss"]


@pytest.mark.parametrize(
    ("log", "stopped_at"),
    [
        (SignalLog("train", 5), "00000001.step000002"),
        pytest.param(SignalLog("train", 1, signal.SIGINT), "00000000.step000001", marks=pytest.mark.slow),
        (SignalLog("validation, images", 3), "00000001.step000003"),  # before the second of its two batches
        pytest.param(SignalLog("val", 2), "00000001", marks=pytest.mark.slow),  # the epoch is complete
    ],
    ids=["in an epoch", "in the first", "in validation", "after it"],
)
def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one(whole, train, tmp_path, log, stopped_at):
    with pytest.raises(Stopped) as stopped:
        train(tmp_path, log=log)
    assert stopped.value.code == 128 + log.signum
    assert checkpoint.find_last(tmp_path).name == stopped_at
    assert read.read_model(tmp_path / "last").class_names == ("bg", "bar", "disc")
    train(tmp_path, resume=True)
    assert_same_run(whole[0], tmp_path)
    assert not list(tmp_path.glob("*.step*"))


@pytest.mark.slow
@pytest.mark.skipif(not ON_TENSORFLOW, reason="gradients are accumulated on TensorFlow alone")
def test_a_run_stopped_between_two_updates_equals_an_uninterrupted_one(train, tmp_path):
    # epochs of 3 steps, an update every 2: the run stops one step after the second update
    settings = {"optimizer": {"accumulation_steps": 2}, "epochs": 2}
    log = train(tmp_path / "whole", **settings)
    assert any("2 images, sgd with an update every 2 steps, lr" in message for message in log.messages)
    with pytest.raises(Stopped):
        train(tmp_path / "stopped", log=SignalLog("train", 5), **settings)
    train(tmp_path / "stopped", resume=True, **settings)
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")
    assert contents(tmp_path / "whole")[2].optimizer[0] == 3  # updates, in 6 steps
    with pytest.raises(UserError, match=r"`optimizer.accumulation_steps`: 2 -> 3"):
        train(tmp_path / "stopped", resume=True, epochs=3, optimizer={"accumulation_steps": 3})


EVERY = 2 if ON_TENSORFLOW else 1  # steps of an update
EMA = {"optimizer": {"ema_momentum": 0.75, "accumulation_steps": EVERY, "global_clipnorm": 0.1}}


@pytest.fixture(scope="module")
def averaged(train, tmp_path_factory):
    """Trains two epochs of three steps with averages, with three updates where they are accumulated."""
    output, weights = tmp_path_factory.mktemp("averaged"), Weights()
    train(output, epochs=2, callbacks=(weights,), **EMA)
    return output, weights.found


class Weights(keras.callbacks.Callback):
    """Collects the trained weights before the run and after each step."""

    def on_train_begin(self, logs=None):
        self.found = [self.model.get_weights()]

    def on_train_batch_end(self, batch, logs=None):
        self.found.append(self.model.get_weights())


def test_a_checkpoint_holds_the_moving_average_of_the_weights(averaged):
    output, found = averaged
    start, *steps = found
    if EVERY == 2:
        np.testing.assert_array_equal(steps[0][0], start[0])  # no update yet
    _, weights, state, _ = contents(output)
    for index, value in enumerate(start):
        average = value.astype(np.float64)
        for step in (1, 3, 5) if EVERY == 2 else range(6):  # the steps with an update, counted from 0
            average = 0.75 * average + 0.25 * steps[step][index]
        stored = list(weights.values())[index]
        np.testing.assert_allclose(stored, average, rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(state.weights[index], steps[5][index])
        assert np.abs(stored - steps[5][index]).max() > 1e-4


def test_validation_uses_the_averages_and_training_does_not(whole, train, tmp_path):
    train(tmp_path, epochs=3, optimizer={"ema_momentum": 0.999999, "global_clipnorm": 0.1})
    slow, raw = contents(tmp_path)[3], contents(whole[0])[3]
    assert [row["loss"] for row in slow] == [row["loss"] for row in raw]
    first, *_, last = (float(row["val_loss"]) for row in slow)
    assert last == pytest.approx(first, rel=1e-4)  # the averages hardly left the start
    assert float(raw[-1]["val_loss"]) < 0.9 * first


@pytest.mark.parametrize(
    ("log", "stopped_at"),
    [
        (SignalLog("train", 5), "00000001.step000002"),
        (SignalLog("validation, images", 3), "00000001.step000003"),  # while the model has the averages
        (SignalLog("val", 1), "00000000"),
    ],
    ids=["in an epoch", "in validation", "after an epoch"],
)
def test_a_stopped_and_resumed_run_with_averages_equals_an_uninterrupted_one(
    averaged, train, tmp_path, log, stopped_at
):
    with pytest.raises(Stopped):
        train(tmp_path, epochs=2, log=log, **EMA)
    assert checkpoint.find_last(tmp_path).name == stopped_at
    train(tmp_path, epochs=2, resume=True, **EMA)
    assert_same_run(averaged[0], tmp_path)


def test_more_epochs_later_equal_all_at_once(whole, train, tmp_path):
    train(tmp_path, epochs=1)
    log = train(tmp_path, resume=True, gpu_devices=[0, 1], checkpoints={"keep": 5})
    assert_same_run(whole[0], tmp_path)
    assert any(message.startswith("resuming ") and "epoch 2, step 0 of 3" in message for message in log.messages)
    listed = "no GPU found: `gpu_devices` [0, 1] has no effect, the CPU is used"
    assert [message for message in log.messages if "GPU" in message] == [listed]
    assert not any("GPU" in message for message in whole[1].messages)  # whose config lists none
    log = train(tmp_path, resume=True)
    assert log.messages == ["nothing to do: 3 of 3 epochs are made; raise `epochs`"]


@pytest.mark.slow
@pytest.mark.skipif(keras.config.backend() == "torch", reason="PyTorch has no XLA")
def test_train_with_xla_learns_as_without_and_may_be_resumed_without(whole, train, tmp_path):
    log = train(tmp_path, epochs=2, jit_compile=True)
    assert "device: CPU:0, float32, compiled by XLA" in log.messages
    train(tmp_path, resume=True)
    for one, other in zip(contents(tmp_path)[3], contents(whole[0])[3], strict=True):
        assert float(one["loss"]) == pytest.approx(float(other["loss"]), rel=1e-3)


def test_a_cosine_of_another_length_is_said_to_jump(train, tmp_path):
    cosine = {"lr_schedule": {"name": "cosine"}}
    train(tmp_path, epochs=1, **cosine)
    log = train(tmp_path, epochs=2, resume=True, **cosine)
    assert any(message.startswith("`epochs` was 1 and is 2 now: the cosine ends elsewhere") for message in log.messages)
    log = train(tmp_path, epochs=2, resume=True, **cosine)
    assert not any("cosine" in message for message in log.messages)


class Rates(keras.callbacks.Callback):
    """Collects the learning rate of each step, by epoch from 0."""

    def __init__(self):
        super().__init__()
        self.by_epoch = {}

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        rate = round(float(self.model.optimizer.learning_rate), 6)
        self.by_epoch.setdefault(self.epoch, []).append(rate)


def test_train_resumed_with_another_batch_size_keeps_its_place_in_the_schedule(train, tmp_path):
    # 6 images: 3 steps an epoch, then 6; the rate falls after the third epoch
    schedule = {"lr_schedule": {"name": "step", "milestones": [3], "gamma": 0.1}}
    train(tmp_path, epochs=2, **schedule)
    rates = Rates()
    train(tmp_path, epochs=4, batch_size={"train": 1, "val": 2}, resume=True, callbacks=(rates,), **schedule)
    assert rates.by_epoch == {2: [0.05] * 6, 3: [0.005] * 6}


@pytest.mark.slow
def test_train_resumed_with_another_batch_size_counts_milestone_steps_as_made(train, tmp_path):
    # 2 epochs of 3 steps, then epochs of 6: the ninth step is the third of the third epoch
    schedule = {"lr_schedule": {"name": "step", "milestone_steps": [9], "gamma": 0.1}}
    train(tmp_path, epochs=2, **schedule)
    rates = Rates()
    train(tmp_path, epochs=3, batch_size={"train": 1, "val": 2}, resume=True, callbacks=(rates,), **schedule)
    assert rates.by_epoch == {2: [0.05] * 3 + [0.005] * 3}


def test_a_run_that_stopped_early_has_nothing_to_do(train, tmp_path):
    rule = {"patience": 1, "monitor": "val_box_ap"}  # the same from the first epoch on
    train(tmp_path, early_stopping=rule)
    assert checkpoint.find_last(tmp_path).name == "00000001"
    log = train(tmp_path, early_stopping=rule, resume=True)
    assert log.messages[-1] == "nothing to do: the run was ended by `early_stopping`"


def test_a_loss_that_is_no_number_names_the_images_of_its_batch(train, tmp_path):
    with pytest.raises(InvalidLoss) as error:
        train(tmp_path, lr=1e30, optimizer={"global_clipnorm": None})
    order = epoch_order(6, batch_size=2, seed=0, epoch=0)
    assert f"at epoch 1 step 2 of 3, images: ds/{order[2]}.png, ds/{order[3]}.png." in str(error.value)
    assert not checkpoint.holds_checkpoints(tmp_path)


def test_training_builds_the_model_with_the_threshold_of_its_folder(whole, built):
    assert {config.score_threshold for config in built} == {0.7}
    content = json.loads((whole[0] / "last" / "config.json").read_text())
    assert content["model"]["score_threshold"] == 0.7


def stored_settings(output):
    return json.loads((output / "last" / "config.json").read_text())["settings"]


@pytest.mark.parametrize("native", [True, False])
def test_auto_precision_is_said_and_checkpoints_hold_what_it_became(train, tmp_path, monkeypatch, native):
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda path: native)
    log = train(tmp_path, precision="auto", epochs=1)
    policy = "mixed_bfloat16" if native else "float32"
    assert stored_settings(tmp_path)["precision"] == policy
    assert [line for line in log.messages if line.startswith(f"precision: {policy}, because this CPU has ")]
    assert f"device: CPU:0, {policy}{COMPILED}" in log.messages


def test_a_resumed_run_keeps_its_precision_on_a_machine_where_auto_is_another(train, tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda path: True)
    train(tmp_path, precision="auto", epochs=1)
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda path: False)
    log = train(tmp_path, precision="auto", epochs=2, resume=True)
    assert "precision: mixed_bfloat16, because the stopped run has it" in log.messages
    advice = "; a resumed run keeps its precision, so go on where it began or start anew"
    assert [line for line in log.messages if line.endswith(advice)]
    assert stored_settings(tmp_path)["precision"] == "mixed_bfloat16"


def test_without_ap_only_losses_are_measured(train, tmp_path):
    train(tmp_path, epochs=1, validation={"ap": False})
    assert not [name for name in contents(tmp_path)[3][0] if name.endswith("ap")]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights_init_type": "transfer_learning"}, "needs start weights: give --model"),
        ({"weights_init_type": "transfer_learning", "model": "none"}, "the start weights are missing"),
        ({"weights_init_type": "imagenet", "imagenet_weights": "no.h5"}, "`imagenet_weights` no.h5 does not exist"),
        ({"resume": True}, "nothing to resume"),
        ({}, "the project folder .*missing does not exist"),
    ],
)
def test_what_is_wrong_is_said_before_any_data_is_read(train, tmp_path, settings, message):
    with pytest.raises(UserError, match=message):
        train(tmp_path / "out", project_dir=tmp_path / "missing", **settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_files_that_a_run_can_do_without_do_not_end_it(whole, train, tmp_path):
    for name in ("history.csv", "curves.png"):
        (tmp_path / name).mkdir()
    for name in EVENTS:
        (tmp_path / name).touch()
    log = train(tmp_path)
    warned = sorted(message for message in log.messages if message.startswith("cannot write the optional "))
    assert [line.split(":")[0].rpartition("/")[2] for line in warned] == ["curves.png", "history.csv", *EVENTS]
    assert all("the run goes on without, its checkpoints hold the same figures" in line for line in warned)
    assert checkpoint.find_last(tmp_path).name == "00000002"
    (tmp_path / "history.csv").rmdir()
    train(tmp_path, epochs=4, resume=True)
    with (tmp_path / "history.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3", "4"]


def test_an_output_that_cannot_be_written_is_found_before_data_is_read(train, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write to the output .*file/out: Not a directory; name another"):
        train(tmp_path / "file" / "out", project_dir=tmp_path / "missing")


def test_another_runs_folder_is_not_written_into(whole, train):
    with pytest.raises(UserError, match="holds a run's checkpoints; add --resume"):
        train(whole[0])


def test_resuming_with_another_config_names_the_keys(whole, train):
    with pytest.raises(UserError, match=r"changed are `lr`: 0.05 -> 0.5; `seed`: 0 -> 3\."):
        train(whole[0], resume=True, lr=0.5, seed=3)


class Diary(keras.callbacks.Callback):
    """Notes what it is called for."""

    def __init__(self):
        super().__init__()
        self.calls, self.logs = [], []

    def on_train_begin(self, logs=None):
        self.calls.append(f"begin {type(self.model).__name__}")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch}")

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(f"batch {batch} {sorted(logs)[:2]}")

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(dict(logs))
        self.model.stop_training = epoch == 1

    def on_train_end(self, logs=None):
        self.calls.append("end")


def test_own_callbacks_are_called_with_the_model_and_the_figures(train, tmp_path):
    diary = Diary()
    train(tmp_path, callbacks=[diary])
    batches = [f"batch {step} ['l2_loss', 'loss']" for step in range(3)]
    assert diary.calls == ["begin FakeMaskRCNN", "epoch 0", *batches, "epoch 1", *batches, "end"]
    assert sorted(path.name for path in tmp_path.glob("0*")) == ["00000000", "00000001"]  # of 3: it stopped the run
    with (tmp_path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [logs["val_loss"] for logs in diary.logs] == [float(row["val_loss"]) for row in rows]


def test_own_callbacks_of_another_kind_are_one_line(train, tmp_path):
    with pytest.raises(UserError, match=r"`callbacks` must hold keras.callbacks.Callback objects, got \"<function"):
        train(tmp_path, callbacks=[lambda epoch, logs: None])
