"""Whole runs on a drawn project, with a small fake model; the real model trains in `test_train_script.py`."""

import csv
import json
import os
import shutil
import signal

import keras
import numpy as np
import pytest

from mrcnn.config.load import load_train_config
from mrcnn.data.order import epoch_order
from mrcnn.data.sources.source import DataPaths
from mrcnn.errors import UserError
from mrcnn.model_folder import precision, read
from mrcnn.train import checkpoint, run
from mrcnn.train import state as states
from mrcnn.train.interrupt import Stopped
from mrcnn.train.invalid_loss import InvalidLoss
from mrcnn.weights import hdf5

from . import fake, tiny
from .conftest import HeardLog

SETTINGS = {"epochs": 3, "lr": 0.05, "optimizer": {"global_clipnorm": 0.1}}
TIMES = ("train_seconds", "images_per_second")


class SignalLog(HeardLog):
    """Sends this process a signal at the n-th event of a kind."""

    def __init__(self, kind, count, signum=signal.SIGTERM):
        super().__init__()
        self.kind, self.count, self.signum = kind, count, signum

    def emit(self, message, *, level="info", **fields):
        super().emit(message, level=level, **fields)
        if self.kind in (fields.get("type"), fields.get("subtask")):
            self.count -= 1
            if self.count == 0:
                os.kill(os.getpid(), self.signum)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return tiny.write_project(tmp_path_factory.mktemp("data") / "project", train=6, val=3)


@pytest.fixture(scope="module")
def built():
    """Puts the small model in the place of the real one for this module; gives the configs it is asked for."""
    asked = []

    def build_model(config, *, num_classes):
        asked.append(config)
        return fake.FakeMaskRCNN(num_classes=num_classes, side=tiny.SIDE)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.build.build, "build_model", build_model)
        yield asked


@pytest.fixture(scope="module")
def train(project, built):
    def call(
        output, *, log=None, resume=False, model=None, data=None, project_dir=project, network=None, callbacks=(),
        **settings,
    ):  # fmt: skip
        config = load_train_config({**tiny.CONFIG, **SETTINGS, **settings, "model": network or tiny.CONFIG["model"]})
        log = log or HeardLog()
        run.train(
            config, project_dir=project_dir if data is None else None, data=data, output_dir=output, log=log,
            resume=resume, model=model, callbacks=callbacks,
        )  # fmt: skip
        return log

    return call


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    """The images of `project` as COCO data."""
    train, val, images = tiny.write_coco(tmp_path_factory.mktemp("coco"), train=6, val=3)
    return DataPaths(train, images, val)


@pytest.fixture(scope="module")
def whole(train, tmp_path_factory):
    """Trains three epochs of three steps without a stop."""
    output = tmp_path_factory.mktemp("whole")
    return output, train(output)


def contents(output):
    """Gives all that a run must leave equal: weights of the last epoch, state and history."""
    last = checkpoint.find_last(output)
    with hdf5.read_file(last / checkpoint.WEIGHTS) as file:
        weights = {name: value[()] for layer in file.layers.values() for name, value in layer.items()}
    state = states.read(last / states.FILE)
    with (output / "history.csv").open() as file:
        rows = [{name: value for name, value in row.items() if name not in TIMES} for row in csv.DictReader(file)]
    return last.name, weights, state, rows


def assert_same_run(one, two):
    name, weights, state, rows = contents(one)
    other_name, other_weights, other_state, other_rows = contents(two)
    assert (name, state.epoch, state.step) == (other_name, other_state.epoch, other_state.step)
    for key, value in weights.items():
        np.testing.assert_array_equal(other_weights[key], value, err_msg=key)
    for value, other in zip(state.optimizer, other_state.optimizer, strict=True):
        np.testing.assert_array_equal(other, value)
    assert rows == other_rows


def test_a_run_leaves_the_contracts_files(whole):
    output, _ = whole
    assert sorted(path.name for path in output.iterdir()) == [
        "00000000", "00000001", "00000002", "best", "curves.png", "history.csv", "last", "tensorboard",
    ]  # fmt: skip
    content = json.loads((output / "last" / "config.json").read_text())
    assert content["class_title_to_idx"] == {"bg": 0, "bar": 1, "disc": 2}
    assert [item["title"] for item in content["classes"]] == ["disc", "bar", "bg"]
    assert content["settings"]["input_size"] == {"min_dim": 64, "max_dim": 64, "width": 0, "height": 0}
    folder = read.read_folder(output)
    assert folder.class_names == ("bg", "bar", "disc")
    assert sorted(path.name for path in (output / "tensorboard").iterdir()) == ["train", "validation"]


def test_a_run_tells_its_plan_and_its_events(whole):
    _, log = whole
    for line in (
        "6 training and 3 validation images, 0 images with neither tag",
        "weights: random",
        "classes: 0 bg, 1 bar, 2 disc",
        "schedule: 3 epochs of 3 steps of 2 images, sgd, lr 0.05 constant",
        "device: CPU:0, float32",
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
    assert read.read_folder(tmp_path / "last").class_names == ("bg", "bar", "disc")
    train(tmp_path, resume=True)
    assert_same_run(whole[0], tmp_path)
    assert not list(tmp_path.glob("*.step*"))


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


def test_a_cosine_of_another_length_is_said_to_jump(train, tmp_path):
    cosine = {"lr_schedule": {"name": "cosine"}}
    train(tmp_path, epochs=1, **cosine)
    log = train(tmp_path, epochs=2, resume=True, **cosine)
    assert any(message.startswith("`epochs` was 1 and is 2 now: the cosine ends elsewhere") for message in log.messages)
    log = train(tmp_path, epochs=2, resume=True, **cosine)
    assert not any("cosine" in message for message in log.messages)


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
    assert f"device: CPU:0, {policy}" in log.messages


def test_a_resumed_run_keeps_its_precision_on_a_machine_where_auto_is_another(train, tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda path: True)
    train(tmp_path, precision="auto", epochs=1)
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda path: False)
    log = train(tmp_path, precision="auto", epochs=2, resume=True)
    assert "precision: mixed_bfloat16, because the stopped run has it" in log.messages
    advice = "; a resumed run keeps its precision, so go on where it began or start anew"
    assert [line for line in log.messages if line.endswith(advice)]
    assert stored_settings(tmp_path)["precision"] == "mixed_bfloat16"


def test_each_set_has_its_own_batch_size(train, tmp_path):
    log = train(tmp_path, epochs=1, batch_size={"train": 3, "val": 1})
    done = [(event["subtask"], event["current"]) for event in log.of("progress")]
    assert [current for subtask, current in done if subtask.startswith("epoch")] == [0, 3, 6]
    assert [current for subtask, current in done if subtask.startswith("validation")] == [1, 2, 3]


@pytest.mark.parametrize("broken", ["img/0.png", "img/8.png", "ann/0.png.json"])
def test_where_no_image_may_be_skipped_a_broken_one_ends_the_run(train, project, tmp_path, broken):
    bad = shutil.copytree(project, tmp_path / "bad")
    (bad / "ds" / broken).write_bytes(b"{")
    with pytest.raises(UserError, match="too many images cannot be used: 1 of"):
        train(tmp_path / "out", project_dir=bad, epochs=1, max_skipped_share=0)
    log = train(tmp_path / "out2", project_dir=bad, epochs=1)
    assert any("skipped" in message for message in log.messages)


def test_without_ap_only_losses_are_measured(train, tmp_path):
    train(tmp_path, epochs=1, validation={"ap": False})
    assert not [name for name in contents(tmp_path)[3][0] if name.endswith("ap")]


def test_training_goes_on_from_a_model_folder_with_its_class_numbers(whole, train, tmp_path):
    folder = tmp_path / "model"
    (folder / "model_weights").mkdir(parents=True)
    content = json.loads((whole[0] / "last" / "config.json").read_text())
    content["class_title_to_idx"] = {"bg": 0, "disc": 1, "bar": 2}
    (folder / "config.json").write_text(json.dumps(content))
    os.link(whole[0] / "last" / "model_weights" / "model.h5", folder / "model_weights" / "model.h5")
    log = train(tmp_path / "out", model=str(folder), weights_init_type="continue_training", epochs=1)
    assert "classes: 0 bg, 1 disc, 2 bar" in log.messages
    assert any("2 layers loaded" in message for message in log.messages)
    assert not [message for message in log.messages if "input_size" in message]
    content["settings"]["input_size"] = {"min_dim": 64, "max_dim": 128}
    (folder / "config.json").write_text(json.dumps(content))
    log = train(tmp_path / "other", model=str(folder), weights_init_type="continue_training", epochs=1)
    (line,) = [message for message in log.messages if "input_size" in message]
    assert line == (
        "`input_size` min_dim 64 and max_dim 64 are not those of the start weights, 64 and 128: objects of other sizes "
        "in pixels have to be learnt anew"
    )
    content["class_title_to_idx"] = {"bg": 0, "cat": 1}
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"needs the model's classes to be the project's: only the project has \['bar"):
        train(tmp_path / "out2", model=str(folder), weights_init_type="continue_training")


@pytest.fixture
def old_folder(whole, tmp_path):
    """A model folder as the plugin wrote it."""
    folder = tmp_path / "old"
    (folder / "model_weights").mkdir(parents=True)
    content = json.loads((whole[0] / "last" / "config.json").read_text())
    del content["model"]
    (folder / "config.json").write_text(json.dumps(content))
    os.link(whole[0] / "last" / "model_weights" / "model.h5", folder / "model_weights" / "model.h5")
    return folder


@pytest.mark.parametrize("kind", ["transfer_learning", "continue_training"])
def test_old_weights_keep_their_conventions_also_when_resumed(train, old_folder, tmp_path, built, kind):
    output, given = tmp_path / "out", {"model": str(old_folder), "weights_init_type": kind}
    log = train(output, epochs=1, **given)
    (line,) = [message for message in log.messages if "conventions" in message]
    assert line.startswith(
        f"model: network and conventions are those of the start weights {old_folder}/model_weights/model.h5"
    )
    assert '`compatibility` "supervisely"' in line
    assert (built[-1].compatibility, built[-1].mask_paste, built[-1].pre_nms_topk) == ("supervisely", "stretched", 400)
    assert read.read_folder(output).config.compatibility == "supervisely"
    log = train(output, epochs=2, resume=True, weights_init_type=kind)
    assert built[-1].compatibility == "supervisely"
    assert checkpoint.find_last(output).name == "00000001"
    assert [message for message in log.messages if "conventions" in message] == [
        'model: network and conventions are those of the stopped run, `compatibility` "supervisely"'
    ]


def test_a_convention_that_the_resumed_config_leaves_out_is_told(train, old_folder, tmp_path, built):
    given = {"weights_init_type": "transfer_learning"}
    network = {**tiny.CONFIG["model"], "anchor_offset": 0.25}
    train(tmp_path / "out", network=network, model=str(old_folder), epochs=1, **given)
    log = train(tmp_path / "out", resume=True, epochs=2, **given)
    assert built[-1].anchor_offset == 0.25
    assert any("those of the stopped run" in line and "`anchor_offset` 0.25" in line for line in log.messages)


def test_only_what_is_taken_over_is_told_and_null_is_advised_where_it_helps(train, old_folder, tmp_path):
    def line(name, **network):
        given = {"model": str(old_folder), "weights_init_type": "transfer_learning", "epochs": 1}
        log = train(tmp_path / name, network={**tiny.CONFIG["model"], **network}, **given)
        return next(message for message in log.messages if "conventions" in message)

    content = json.loads((old_folder / "config.json").read_text())
    numbers = {"compatibility": "matterport", "round_boxes": "never", "image_mean": [1, 2, 3], "fpn_channels": 9}
    (old_folder / "config.json").write_text(json.dumps({**content, "model": numbers}))
    begin = f"model: network and conventions are those of the start weights {old_folder}/model_weights/model.h5, "
    advice = "; `model.compatibility` null in the config trains by the better conventions"
    # tiny.CONFIG names fpn_channels itself
    all_of_it = '`compatibility` "matterport", `round_boxes` "never", `image_mean` [1.0, 2.0, 3.0]'
    assert line("one") == begin + all_of_it + advice
    assert line("two", round_boxes="at_end") == begin + all_of_it.replace('`round_boxes` "never", ', "") + advice
    assert line("three", compatibility=None) == begin + "`image_mean` [1.0, 2.0, 3.0]"
    (old_folder / "config.json").write_text(json.dumps({**content, "model": {"image_mean": [1, 2, 3]}}))
    assert line("four") == begin + "`compatibility` null, `image_mean` [1.0, 2.0, 3.0]"


def test_a_file_of_this_project_without_its_config_is_warned_about(train, old_folder, tmp_path):
    given = {"weights_init_type": "transfer_learning", "epochs": 1}
    os.link(old_folder / "model_weights" / "model.h5", tmp_path / "alone.h5")
    (old_folder / "config.json").unlink()
    for model, name in ((tmp_path / "alone.h5", "matterport"), (old_folder, "supervisely")):
        log = train(tmp_path / name, model=str(model), **given)
        (line,) = [event["message"] for event in log.events if "was written by this project" in event["message"]]
        assert f"comes without its config.json: it is read by the conventions of {name}" in line
    log = train(
        tmp_path / "named", model=str(old_folder), network={**tiny.CONFIG["model"], "compatibility": None}, **given
    )
    assert not [message for message in log.messages if "was written by this project" in message]


def test_a_lone_file_is_matterports_and_the_config_may_say_otherwise(train, old_folder, tmp_path, built):
    os.link(old_folder / "model_weights" / "model.h5", tmp_path / "alone.h5")
    given = {"model": str(tmp_path / "alone.h5"), "weights_init_type": "transfer_learning", "epochs": 1}
    train(tmp_path / "one", **given)
    assert built[-1].compatibility == "matterport"
    log = train(tmp_path / "two", network={**tiny.CONFIG["model"], "compatibility": None}, **given)
    assert built[-1].compatibility is None
    assert not [message for message in log.messages if "conventions" in message]


def test_without_start_weights_the_better_forms_count(train, old_folder, tmp_path, built):
    train(tmp_path / "out", epochs=1, model=str(old_folder), weights_init_type="random")
    assert (built[-1].compatibility, built[-1].mask_paste) == (None, "bilinear")


def test_old_classes_that_are_not_the_projects_are_refused(train, old_folder, tmp_path):
    given = {"model": str(old_folder), "weights_init_type": "continue_training"}
    content = json.loads((old_folder / "config.json").read_text())
    for mapping, message in (
        ({"bg": 0, "disc": 1}, r"only the project has \['bar'\], only the model has \[\]"),
        ({"bg": 1, "disc": 0, "bar": 2}, "`special_classes.background` 'bg' must be class 0 of the model, got 1"),
    ):
        (old_folder / "config.json").write_text(json.dumps({**content, "class_title_to_idx": mapping}))
        with pytest.raises(UserError, match=message):
            train(tmp_path / "out", **given)


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


def test_files_that_a_run_can_do_without_do_not_end_it(whole, train, tmp_path):
    for name in ("history.csv", "curves.png"):
        (tmp_path / name).mkdir()
    (tmp_path / "tensorboard").touch()
    log = train(tmp_path)
    warned = sorted(message for message in log.messages if message.startswith("cannot write the optional "))
    assert [line.split(":")[0].rpartition("/")[2] for line in warned] == ["curves.png", "history.csv", "tensorboard"]
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


def test_start_weights_that_are_not_used_are_warned_about(train, tmp_path):
    log = train(tmp_path, epochs=1, model="coco", train_layers="heads")
    assert "--model coco has no effect with `weights_init_type` random" in log.messages
    (noise,) = [message for message in log.messages if "stay so" in message]
    assert noise.startswith("1 layers are random and stay so, since `train_layers` heads does not train them (conv1)")


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


def test_a_run_on_coco_json_is_that_on_the_same_project(whole, coco, train, tmp_path):
    with pytest.raises(Stopped):
        train(tmp_path, data=coco, log=SignalLog("train", 5))
    assert checkpoint.find_last(tmp_path).name == "00000001.step000002"
    log = train(tmp_path, data=coco, resume=True)
    assert_same_run(whole[0], tmp_path)
    assert "6 training and 3 validation images" in log.messages
    ours, theirs = (json.loads((folder / "last" / "config.json").read_text()) for folder in (tmp_path, whole[0]))
    assert [item.pop("color") for item in ours["classes"]] != [item.pop("color") for item in theirs["classes"]]
    assert ours == theirs  # but for the colours, which COCO files lack
    assert read.read_folder(tmp_path).class_names == ("bg", "bar", "disc")


def test_train_on_one_coco_file_resumes_with_the_same_split(coco, train, tmp_path):
    alone = DataPaths(coco.data, coco.images)
    log = train(tmp_path, data=alone, epochs=1)
    line = "5 training and 1 validation images: drawn from train.json by `seed` 0; --val-data names others"
    assert line in log.messages
    log = train(tmp_path, data=alone, epochs=2, resume=True)
    assert line in log.messages
    assert not any("changed" in message for message in log.messages)


def test_train_warns_of_another_validation_set_on_resuming(coco, train, tmp_path):
    train(tmp_path / "out", data=coco, epochs=1)
    content = json.loads(coco.val_data.read_text())
    dropped = content["images"].pop()["id"]
    content["annotations"] = [item for item in content["annotations"] if item["image_id"] != dropped]
    fewer = tmp_path / "fewer.json"
    fewer.write_text(json.dumps(content))
    told = []
    for epochs in (2, 3):  # the second time it is the set of the stopped run
        log = train(tmp_path / "out", data=DataPaths(coco.data, coco.images, fewer), epochs=epochs, resume=True)
        told.append([message for message in log.messages if "the validation set changed" in message])
    assert told[1] == []
    (line,) = told[0]
    assert line.startswith("the validation set changed: 3 images before, now 2; ")


def test_train_needs_a_project_or_data_but_not_both(project, coco, tmp_path):
    config = load_train_config(tiny.CONFIG)
    for given in ({}, {"project_dir": project, "data": coco}):
        with pytest.raises(UserError, match="give either `project_dir` or `data`, got "):
            run.train(config, output_dir=tmp_path / "out", log=HeardLog(), **given)
