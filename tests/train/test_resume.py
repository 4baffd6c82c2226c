import json

import keras
import numpy as np
import pytest

from mrcnn.config.train import TrainConfig
from mrcnn.data.sources.source import Samples
from mrcnn.errors import UserError
from mrcnn.structures import Sample
from mrcnn.train import resume
from mrcnn.train import state as states
from mrcnn.train.checkpoint import CheckpointStore


def parts(config):
    return {"settings": config.to_settings(), "model": config.model.model_dump(mode="json")}


@pytest.fixture
def variable():
    return keras.Variable(np.float32([1, 2]))


@pytest.fixture
def root(tmp_path, make_state, variable):
    config = {**parts(TrainConfig(epochs=3)), "class_title_to_idx": {"bg": 0, "a": 1}}
    store = CheckpointStore(tmp_path, layout=[("conv1", [("conv1/bias:0", variable)])], config=config)
    store.save_epoch(make_state(1), best=True)
    return tmp_path


def test_load_weights_run_is_read_back(root, variable):
    found = resume.load(resume.find(root), **parts(TrainConfig(epochs=9, gpu_devices=(1, 2), checkpoints={"keep": 2})))
    assert (found.state.epoch, found.class_title_to_idx) == (1, {"bg": 0, "a": 1})
    variable.assign([0, 0])
    resume.load_weights([("conv1", [("conv1/bias:0", variable)])], found)
    np.testing.assert_array_equal(variable.numpy(), [1, 2])
    with pytest.raises(UserError, match="lacks fpn_p2: the checkpoint is not complete"):
        resume.load_weights([("conv1", [("conv1/bias:0", variable)]), ("fpn_p2", [("fpn_p2/bias:0", variable)])], found)


def test_a_changed_config_names_every_key(root):
    changed = TrainConfig(lr=0.5, optimizer={"momentum": 0.5}, model={"channels": 1, "image_mean": [1.0]})
    with pytest.raises(UserError) as error:
        resume.load(resume.find(root), **parts(changed))
    message = str(error.value)
    for change in ("`lr`: 0.001 -> 0.5", "`optimizer.momentum`: 0.9 -> 0.5", "`model.channels`: 3 -> 1"):
        assert change in message
    assert "epochs`" not in message


def test_a_key_that_is_newer_than_the_run_had_its_defaults_meaning(root):
    path = root / "last" / "config.json"
    content = json.loads(path.read_text())
    del content["settings"]["validation"]["every_epochs"], content["model"]["image_range"]
    path.write_text(json.dumps(content))
    assert resume.load(resume.find(root), **parts(TrainConfig(epochs=3))).state.epoch == 1
    with pytest.raises(UserError, match=r"`validation\.every_epochs`: 1 -> 2"):
        resume.load(resume.find(root), **parts(TrainConfig(epochs=3, validation={"every_epochs": 2})))


def test_load_lets_the_batch_size_change_between_epochs_only(root, make_state):
    other = parts(TrainConfig(epochs=3, batch_size={"train": 4, "val": 2}))
    assert resume.load(resume.find(root), **other).state.epoch == 1
    states.write(root / "last" / states.FILE, make_state(1, 2))
    with pytest.raises(UserError, match=r"the epoch it stopped in with another `batch_size.train`: 1 -> 4; change it"):
        resume.load(resume.find(root), **other)
    validation = parts(TrainConfig(epochs=3, batch_size={"train": 1, "val": 2}))
    assert resume.load(resume.find(root), **validation).state.step == 2


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("settings", [], "config.json is damaged: `settings` must be an object, got"),
        ("model", 3, "config.json is damaged: `model` must be an object, got 3"),
        ("class_title_to_idx", None, "does not have class mapping information"),
        ("class_title_to_idx", {"a": "1"}, "does not have class mapping information"),
    ],
)
def test_a_damaged_config_of_the_checkpoint_is_named(root, key, value, message):
    path = root / "last" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(UserError, match=message):
        resume.load(resume.find(root), **parts(TrainConfig(epochs=3)))


def test_find_says_that_there_is_nothing_to_resume(tmp_path):
    with pytest.raises(UserError, match=r"nothing to resume: .* holds no checkpoint; start without --resume"):
        resume.find(tmp_path)


def test_differences():
    assert resume.differences({"a": 1}, {"a": 1}) == []
    assert resume.differences({"a": {"b": [1]}}, {"a": {"b": [2], "c": 3}}) == [
        "`a.b`: [1] -> [2]",
        "`a.c`: (not set) -> 3",
    ]


def test_check_data_warns_of_another_training_set_between_epochs_and_refuses_it_within(make_state):
    same = make_state(train_names=5)
    assert resume.check_data(make_state(1, 2, train_names=5), same) == []
    assert resume.check_data(make_state(1, 2), same) == []  # of an older version, without names
    changed = make_state(steps_per_epoch=2, train_images=9)
    (line,) = resume.check_data(make_state(1), changed)
    assert "12 training images in 3 steps an epoch before, now 9 in 2" in line
    (line,) = resume.check_data(make_state(1, train_names=4), same)
    assert line.endswith("12 training images before and now, but not the same ones in the same order")
    for stopped, now in ((make_state(1, 2), changed), (make_state(1, 2, train_names=4), same)):
        with pytest.raises(UserError, match="cannot finish the epoch it stopped in"):
            resume.check_data(stopped, now)


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ({"val_images": 4, "val_names": 5}, None),
        ({}, None),  # of an older version
        ({"val_images": 3, "val_names": 5}, "3 images before, now 4;"),
        ({"val_images": 4, "val_names": 6}, "4 images before and now, but not the same ones;"),
    ],
)
@pytest.mark.parametrize("step", [0, 2])
def test_check_data_warns_of_another_validation_set(make_state, before, change, step):
    lines = resume.check_data(make_state(1, step, **before), make_state(val_images=4, val_names=5))
    expected = [f"the validation set changed: {change} the `val_` figures of the epochs before"] if change else []
    assert [line[: len(start)] for line, start in zip(lines, expected, strict=True)] == expected


@pytest.mark.parametrize(
    ("before", "now", "names", "line"),
    [
        ((), "JAX", ("JAX",), None),  # a run of an older version, whose back end is not known
        (("JAX",), "JAX", ("JAX",), None),
        (
            ("TensorFlow",),
            "PyTorch",
            ("TensorFlow", "PyTorch"),
            "the run was started on TensorFlow and goes on with PyTorch: its results are no longer bit for bit those "
            "of an uninterrupted run",
        ),
        (("TensorFlow", "JAX"), "JAX", ("TensorFlow", "JAX"), "the run was started on TensorFlow and goes on with JAX"),
        (
            ("TensorFlow", "JAX"),
            "TensorFlow",
            ("TensorFlow", "JAX", "TensorFlow"),
            "the run was started on TensorFlow, went on with JAX and goes on with TensorFlow",
        ),
    ],
)
def test_back_ends_of_a_resumed_run(make_state, before, now, names, line):
    assert resume.back_ends(make_state(1, back_ends=before), now=now) == names
    found = resume.back_end_line(names)
    assert found is None if line is None else found.startswith(line)


def facts_of(train, val):
    samples = ([Sample(f"{name}", "", (), (), ()) for name in names.split()] for names in (train, val))
    return resume.facts(Samples(*samples, {}), steps_per_epoch=2)


def test_facts_of_training_images_include_their_sizes():
    first, second = (
        resume.facts(Samples([Sample("a/1", "", (), (), (), size)], [], {}), steps_per_epoch=1)
        for size in ((3, 4), (4, 3))
    )
    assert first["train_names"] != second["train_names"]


def test_facts_identify_the_images_of_both_sets():
    found = facts_of("a/1 a/2 a/3", "b/4 b/5")
    assert (found["steps_per_epoch"], found["train_images"], found["val_images"]) == (2, 3, 2)
    assert facts_of("c/1 c/2 c/3", "c/5 c/4") == found  # another data set's name; the order of validation is no matter
    assert facts_of("a/1 a/3 a/2", "b/4 b/5") == {**found, "train_names": facts_of("a/1 a/3 a/2", "")["train_names"]}
    names = [facts_of(train, val) for train, val in (("a/1 a/3 a/2", "b/4 b/5"), ("a/1 a/2 a/3", "b/4 b/6"))]
    assert names[0]["train_names"] != found["train_names"] == names[1]["train_names"]
    assert names[1]["val_names"] != found["val_names"] == names[0]["val_names"]


def test_facts_of_repeated_images_include_their_factors():
    samples = Samples([Sample("a/1", "", (), (), ()), Sample("a/2", "", (), (), ())], [], {})
    plain, first, second = (
        resume.facts(samples, steps_per_epoch=3, factors=factors)["train_names"]
        for factors in (None, [1.5, 1.0], [1.0, 1.5])
    )
    assert len({plain, first, second}) == 3
