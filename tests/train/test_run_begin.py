"""What whole runs begin from: start weights and data; the runs themselves are in `test_run.py`."""

import json
import os
import shutil
from types import SimpleNamespace

import pytest

from mrcnn.config.load import load_train_config
from mrcnn.data.sources.source import DataPaths
from mrcnn.errors import UserError
from mrcnn.model_folder import read
from mrcnn.ops.backend.current import native
from mrcnn.train import build, checkpoint, run
from mrcnn.train import state as states
from mrcnn.train.devices import Devices
from mrcnn.train.interrupt import Stopped
from mrcnn.train.workers.cluster import Cluster
from mrcnn.train.workers.peers import Peers

from . import tiny
from .conftest import HeardLog
from .runs import SignalLog, assert_same_run


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
    assert read.read_model(output).config.compatibility == "supervisely"
    log = train(output, epochs=2, resume=True, weights_init_type=kind)
    assert built[-1].compatibility == "supervisely"
    assert checkpoint.find_last(output).name == "00000001"
    assert [message for message in log.messages if "conventions" in message] == [
        'model: network and conventions are those of the stopped run, `compatibility` "supervisely"'
    ]


def test_a_start_that_was_chosen_by_auto_is_kept_when_resumed(train, old_folder, tmp_path, built):
    train(tmp_path / "out", epochs=1, model=str(old_folder), weights_init_type="auto")
    settings = json.loads((tmp_path / "out" / "last" / "config.json").read_text())["settings"]
    assert settings["weights_init_type"] == "transfer_learning"
    train(tmp_path / "out", epochs=2, resume=True, weights_init_type="auto")
    assert built[-1].compatibility == "supervisely"
    assert checkpoint.find_last(tmp_path / "out").name == "00000001"


def test_a_convention_that_the_resumed_config_leaves_out_is_logged(train, old_folder, tmp_path, built):
    given = {"weights_init_type": "transfer_learning"}
    network = {**tiny.CONFIG["model"], "anchor_offset": 0.25}
    train(tmp_path / "out", network=network, model=str(old_folder), epochs=1, **given)
    log = train(tmp_path / "out", resume=True, epochs=2, **given)
    assert built[-1].anchor_offset == 0.25
    assert any("those of the stopped run" in line and "`anchor_offset` 0.25" in line for line in log.messages)


def test_only_adopted_settings_are_logged_with_the_advice_to_set_null(train, old_folder, tmp_path):
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


def test_start_weights_that_are_not_used_are_warned_about(train, tmp_path):
    log = train(tmp_path, epochs=1, model="coco", train_layers="heads")
    assert "--model coco has no effect with `weights_init_type` random" in log.messages
    (noise,) = [message for message in log.messages if "stay so" in message]
    assert noise.startswith("1 layers are random and stay so, since `train_layers` heads does not train them (conv1)")


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
    assert read.read_model(tmp_path).class_names == ("bg", "bar", "disc")


def test_a_run_that_goes_on_with_another_back_end_logs_it(train, tmp_path, monkeypatch):
    train(tmp_path, epochs=1)
    same = train(tmp_path, epochs=2, resume=True)
    monkeypatch.setattr(build, "native", SimpleNamespace(NAME="PyTorch"))
    other = train(tmp_path, epochs=3, resume=True)
    line = f"the run was started on {native.NAME} and goes on with PyTorch: its results are no longer bit for bit those"
    assert not any("goes on with" in message for message in same.messages)
    (event,) = [event for event in other.events if event["message"].startswith(line)]
    assert event["level"] == "warn"
    state = states.read(checkpoint.find_last(tmp_path) / states.FILE)
    assert state.back_ends == (native.NAME, "PyTorch")


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


@pytest.fixture
def joined(monkeypatch):
    """Lets a run join another worker, of which it is told nothing; lists what is compared with that one."""
    compared = []
    peers = Peers(Cluster(("a:1", "b:1"), 0))
    monkeypatch.setattr(peers, "check_equal", compared.append)
    found = Devices(("CPU:0",), peers=peers)
    monkeypatch.setattr(run.devices, "join", lambda gpus, cluster, **how: found)
    monkeypatch.setattr(run.fit, "fit_run", lambda *given, **named: None)
    return compared


def test_train_several_workers_need_a_number_of_images(project, built, joined, log, tmp_path):
    config = load_train_config({**tiny.CONFIG, "batch_size": {"train": "auto"}})
    with pytest.raises(UserError, match=r"`batch_size.train` must be a number with several workers, got auto"):
        run.train(config, project_dir=project, output_dir=tmp_path, log=log, workers=Cluster(("a:1", "b:1"), 0))


def test_train_workers_compare_what_must_be_equal(project, built, joined, log, tmp_path):
    found = []
    for lr, seed in ((0.1, 0), (0.1, 0), (0.2, 0), (0.1, 1)):
        config = load_train_config({**tiny.CONFIG, "lr": lr, "seed": seed})
        where = tmp_path / str(len(found))
        run.train(config, project_dir=project, output_dir=where, log=log, workers=Cluster(("a:1", "b:1"), 0))
        found.append(joined[-1])
    assert found[0] == found[1]
    assert {name for name in found[0] if found[2][name] != found[0][name]} == {"settings"}
    assert {name for name in found[0] if found[3][name] != found[0][name]} == {"settings", "start weights"}
    assert found[0]["training images"][::2] == [6, 1]  # images and steps: 6 // (2 images of 2 workers)
    assert any("schedule: 2 epochs of 1 steps of 4 images" in line for line in log.messages)


def test_train_a_single_worker_is_one_process(project, built, joined, log, tmp_path):
    config = load_train_config(tiny.CONFIG)
    run.train(config, project_dir=project, output_dir=tmp_path, log=log, workers=Cluster(("a:1",), 0))
    assert joined == []
