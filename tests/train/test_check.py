"""What is checked before a run reads data; whole runs are in `test_run.py`."""

import json
from functools import partial

import keras
import numpy as np
import pytest

from mrcnn.config.load import load_train_config
from mrcnn.config.train import EarlyStoppingConfig
from mrcnn.data.sources import supervisely, table
from mrcnn.data.sources.source import DataPaths
from mrcnn.errors import UserError
from mrcnn.evaluate.metric import MetricKind
from mrcnn.evaluate.table import METRICS
from mrcnn.heads.head import Head
from mrcnn.models.extra_heads import HEADS, HeadType
from mrcnn.train import check, devices, objects
from mrcnn.train.checkpoint import CheckpointStore
from mrcnn.weights import state_dict_write
from tests.data.coco import cases as coco_cases
from tests.fields import toy
from tests.weights import foreign_examples

from . import tiny


def start(log, output, *, model=None, resume=False, network=None, **settings):
    config = load_train_config({**tiny.CONFIG, **settings, "model": network or tiny.CONFIG["model"]})
    return check.check(config, model=model, output=output, resume=resume, log=log)


def test_a_new_run_from_random_weights(log, tmp_path):
    begin = start(log, tmp_path / "out")
    assert (begin.model, begin.resumed, begin.classes) == (None, None, None)
    settled = {**tiny.CONFIG, "input_size": {**tiny.CONFIG["input_size"], "shape": "rectangle"}}
    assert begin.config.model_dump() == load_train_config(settled).model_dump()
    assert log.messages == []


def test_start_weights_that_have_no_effect_are_warned_of(log, tmp_path):
    start(log, tmp_path / "out", model="coco")
    assert log.messages == ["--model coco has no effect with `weights_init_type` random"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights_init_type": "transfer_learning"}, "`weights_init_type` transfer_learning needs start weights"),
        ({"weights_init_type": "continue_training", "model": "none"}, "the start weights are missing"),
        ({"weights_init_type": "imagenet", "imagenet_weights": "no.h5"}, "`imagenet_weights` no.h5 does not exist"),
        ({"weights_init_type": "auto", "imagenet_weights": "no.h5"}, "`imagenet_weights` no.h5 does not exist"),
        ({"weights_init_type": "auto", "model": "none"}, "the start weights are missing"),
        ({"augmentation": [{"name": "Fliplr", "args": {"q": 1}}]}, "Fliplr"),
        (
            {"early_stopping": {"monitor": "loss"}},
            r"^`early_stopping.monitor` must be 'val_loss', 'val_box_ap' or 'val_mask_ap', got \"loss\"$",
        ),
        ({"checkpoints": {"monitor": "val_mask_ap50"}}, "^`checkpoints.monitor` must be 'val_loss', 'val_box_ap' or"),
        (
            {"network": {**tiny.CONFIG["model"], "loss_weights": {"foo": 1}}},
            "^`model.loss_weights`: 'foo' is no loss of this model; those are rpn_class_loss, rpn_bbox_loss, ",
        ),
        (
            {
                "network": {"family": "torchvision", "heads": ["keypoints"]},
                "checkpoints": {"monitor": "val_mask_ap"},
            },
            "^`checkpoints.monitor` must be 'val_loss', 'val_box_ap' or 'val_keypoint_ap', got \"val_mask_ap\"$",
        ),
        ({"resume": True}, "nothing to resume"),
    ],
)
def test_what_cannot_start_is_refused(log, tmp_path, settings, message):
    with pytest.raises(UserError, match=message):
        start(log, tmp_path / "out", **settings)


def test_check_accepts_the_monitors_that_the_schema_suggests(log, tmp_path):
    suggested = EarlyStoppingConfig.model_json_schema()["properties"]["monitor"]["examples"]
    assert suggested == ["val_loss", *(f"val_{name}" for name in METRICS["coco"].monitored)]
    for name in suggested:
        begin = start(log, tmp_path / "out", early_stopping={"monitor": name}, checkpoints={"monitor": name})
        assert begin.config.best_monitor == name


def _kind(**attributes):
    """Makes a row of `HEADS` whose head has these attributes and is never built."""
    return HeadType(type("Marks", (Head,), attributes), None)


def test_check_accepts_the_metrics_of_the_heads_of_the_start_weights(log, tmp_path, monkeypatch):
    monkeypatch.setitem(HEADS, "marks", _kind(gives=("mark",)))
    monkeypatch.setitem(
        METRICS, "marks", MetricKind(None, validated={"near": "near"}, monitored=("near",), needs=("mark",))
    )
    monitored = {"checkpoints": {"monitor": "val_near"}}
    with pytest.raises(UserError, match=r"`checkpoints.monitor` must be"):
        start(log, tmp_path / "out", **monitored)
    weights = tmp_path / "start" / "model_weights" / "model.h5"
    weights.parent.mkdir(parents=True)
    weights.touch()
    stored = load_train_config({"model": {"extra_heads": ["marks"]}}).model.model_dump(mode="json")
    (tmp_path / "start" / "config.json").write_text(json.dumps({"model": stored}))
    begun = start(
        log, tmp_path / "out", model=str(tmp_path / "start"), weights_init_type="transfer_learning", **monitored
    )
    assert begun.config.model.extra_heads == ("marks",)


def test_check_accepts_the_losses_of_the_heads_of_the_start_weights(log, tmp_path, monkeypatch, make_state):
    monkeypatch.setitem(HEADS, "marks", _kind(loss_names=("mark_loss",)))
    stopped_run(tmp_path / "start", make_state, {**tiny.CONFIG["model"], "extra_heads": ["marks"]})
    network = {**tiny.CONFIG["model"], "loss_weights": {"mark_loss": 0.5}}
    asked = {"model": str(tmp_path / "start"), "network": network, "weights_init_type": "transfer_learning"}
    found = start(log, tmp_path / "out", **asked).config.model
    assert (found.extra_heads, found.extra_losses) == (("marks",), ("mark_loss",))
    assert found.loss_weights.model_dump()["mark_loss"] == 0.5


def stopped_run(root, make_state, model, *, shape="rectangle", epochs=1, best=True):
    """Writes the checkpoint of a run whose number of slots followed its data, 225."""
    config = load_train_config({**tiny.CONFIG, "model": model})
    stored = {**config.model.model_dump(mode="json"), "max_gt_instances": 225}
    settings = config.to_settings()
    settings["input_size"]["shape"] = shape
    if shape is None:  # a run of before the key
        del settings["input_size"]["shape"]
    content = {"settings": settings, "model": stored, "class_title_to_idx": {"bg": 0, "a": 1}}
    variable = keras.Variable(np.float32([1, 2]))
    layout = [("conv1", [("conv1/bias:0", variable)])]
    CheckpointStore(root, layout=layout, config=content).save_epoch(make_state(epochs), best=best)


def test_a_resumed_run_keeps_the_slots_that_followed_its_data(log, tmp_path, make_state):
    model = {key: value for key, value in tiny.CONFIG["model"].items() if key != "max_gt_instances"}
    stopped_run(tmp_path / "out", make_state, model)
    begin = start(log, tmp_path / "out", resume=True, network=model)
    assert begin.config.model.max_gt_instances == 225
    assert objects.SLOTS in begin.config.given_model  # it is not chosen anew
    with pytest.raises(UserError, match=r"`model.max_gt_instances`: 225 -> 7"):
        start(log, tmp_path / "out", resume=True, network={**model, "max_gt_instances": 7})


def test_a_resumed_run_keeps_the_width_of_its_rpn_that_was_the_default_when_it_began(log, tmp_path, make_state):
    network = {key: value for key, value in tiny.CONFIG["model"].items() if key not in ("rpn_channels", objects.SLOTS)}
    stopped_run(tmp_path / "out", make_state, {**network, "rpn_channels": 512})
    assert start(log, tmp_path / "out", resume=True, network=network).config.model.rpn_channels == 512
    with pytest.raises(UserError, match=r"`model.rpn_channels`: 512 -> 256"):
        start(log, tmp_path / "out", resume=True, network={**network, "rpn_channels": 256})


def test_a_resumed_run_keeps_the_number_of_points_that_followed_its_data(log, tmp_path, make_state):
    model = {key: value for key, value in tiny.CONFIG["model"].items() if key != "max_gt_instances"}
    model["mask_supervision"] = "points"
    stopped_run(tmp_path / "out", make_state, {**model, "mask_points": 7})
    begin = start(log, tmp_path / "out", resume=True, network=model)
    assert begin.config.model.mask_points == 7
    with pytest.raises(UserError, match=r"`model.mask_points`: 7 -> 9"):
        start(log, tmp_path / "out", resume=True, network={**model, "mask_points": 9})


def test_check_counts_the_image_range_of_the_start_weights_as_given(log, tmp_path, make_state):
    stopped_run(tmp_path / "start", make_state, {**tiny.CONFIG["model"], "image_range": 4095})
    begin = start(log, tmp_path / "out", model=str(tmp_path / "start"), weights_init_type="transfer_learning")
    assert begin.config.model.image_range == begin.config.given_model["image_range"] == 4095
    assert "anchor_offset" not in begin.config.given_model


@pytest.mark.parametrize(
    ("compatibility", "given", "expected"),
    [(None, None, "rectangle"), ("matterport", None, "square"), ("matterport", "rectangle", "rectangle"),
     (None, "square", "square")],
)  # fmt: skip
def test_check_shape_of_a_new_model(log, tmp_path, compatibility, given, expected):
    network = {**tiny.CONFIG["model"], "compatibility": compatibility}
    size = {"min_dim": 64, "max_dim": 64, "shape": given}
    assert start(log, tmp_path / "out", network=network, input_size=size).config.input_size.shape == expected


@pytest.mark.parametrize(
    ("augmentation", "expected"),
    [
        ([{"name": "Rot90", "args": {"k": 1, "keep_size": False}}], "square"),
        ([{"name": "Affine", "args": {"rotate": 90, "fit_output": True}}], "square"),
        (
            [
                {
                    "name": "Sometimes",
                    "args": {"p": 0.3},
                    "children": [{"name": "Crop", "args": {"px": 20, "keep_size": False}}],
                }
            ],
            "square",
        ),
        ([{"name": "Rot90", "args": {"k": 1}}, {"name": "Fliplr"}], "rectangle"),
    ],
)
def test_check_uses_squares_where_augmentation_changes_sizes(log, tmp_path, augmentation, expected):
    begin = start(log, tmp_path / "out", augmentation=augmentation)
    assert begin.config.input_size.shape == expected
    told = ["`input_size.shape` is square, since `augmentation` changes the size of images"]
    assert log.messages == (told if expected == "square" else [])
    size = {"min_dim": 64, "max_dim": 64, "shape": "rectangle"}
    given = start(log, tmp_path / "out", augmentation=augmentation, input_size=size)
    assert given.config.input_size.shape == "rectangle"


def test_check_leaves_the_output_as_it_is_when_it_refuses_to_resume(log, tmp_path, make_state):
    output = tmp_path / "out"
    network = {key: value for key, value in tiny.CONFIG["model"].items() if key != objects.SLOTS}
    for epoch in range(3):
        stopped_run(output, make_state, network, epochs=epoch + 1, best=epoch == 0)
    before = sorted((path.relative_to(output), path.resolve()) for path in output.rglob("*"))
    with pytest.raises(UserError, match=r"^`checkpoints.monitor` must be"):
        start(log, output, resume=True, network=network, checkpoints={"keep": 1, "monitor": "val_mask_ap50"})
    assert sorted((path.relative_to(output), path.resolve()) for path in output.rglob("*")) == before
    start(log, output, resume=True, network=network, checkpoints={"keep": 1})
    assert not (output / "00000001").exists()


@pytest.mark.parametrize("kind", ["transfer_learning", "continue_training"])
@pytest.mark.parametrize(("stored", "expected"), [("rectangle", "rectangle"), ("square", "square"), (None, "square")])
def test_check_keeps_the_shape_of_the_start_weights(log, tmp_path, make_state, kind, stored, expected):
    stopped_run(tmp_path / "start", make_state, tiny.CONFIG["model"], shape=stored)
    begin = start(log, tmp_path / "out", model=str(tmp_path / "start"), weights_init_type=kind)
    assert begin.config.input_size.shape == expected


@pytest.mark.parametrize("stored", ["rectangle", "square", None])
def test_check_keeps_the_shape_of_the_resumed_run(log, tmp_path, make_state, stored):
    network = {key: value for key, value in tiny.CONFIG["model"].items() if key != objects.SLOTS}
    stopped_run(tmp_path / "out", make_state, network, shape=stored)
    begin = start(log, tmp_path / "out", resume=True, network=network)
    assert begin.config.input_size.shape == (stored or "square")
    other = "rectangle" if stored in ("square", None) else "square"
    size = {"min_dim": 64, "max_dim": 64, "shape": other}
    with pytest.raises(UserError, match=f"`input_size.shape`: {stored or 'square'} -> {other}"):
        start(log, tmp_path / "out", resume=True, network=network, input_size=size)


def data_checked(log, tmp_path, *, classes=None, **settings):
    project = tiny.write_project(tmp_path / "data", train=2, val=1)
    config = load_train_config({**tiny.CONFIG, **settings})
    begin = check.Start(config=config, model=None, resumed=None, classes=classes)
    return check.check_data(begin, lambda fields: supervisely.open_source(DataPaths(project)), log=log)


def test_check_data_fits_the_settings_to_data_and_machine(log, tmp_path):
    model = {key: value for key, value in tiny.CONFIG["model"].items() if key != "max_gt_instances"}
    checked = data_checked(log, tmp_path, precision="auto", model=model)
    assert checked.config.precision in ("float32", "mixed_bfloat16")
    assert checked.config.model.max_gt_instances == 100
    assert [sample.name for sample in checked.samples.train] == ["ds/0.png", "ds/1.png"]
    assert [item.title for item in checked.meta.classes] == ["disc", "bar"]
    assert (checked.devices.count, checked.batch_size) == (1, 2)


def test_check_data_keeps_the_class_numbers_of_the_start_weights(log, tmp_path):
    checked = data_checked(log, tmp_path / "one", classes={"bg": 0, "disc": 1, "bar": 2})
    assert checked.samples.class_title_to_idx == {"bg": 0, "disc": 1, "bar": 2}
    with pytest.raises(UserError, match=r"to be the project's: only the project has \['bar'\], only the model has"):
        data_checked(log, tmp_path / "two", classes={"bg": 0, "disc": 1, "cat": 2})


def test_check_data_opens_the_data_with_the_fields_that_the_run_needs_alone(log, tmp_path, monkeypatch):
    for name in ("point", "offset"):
        monkeypatch.setitem(HEADS, name, _kind(needs=(name,)))
    toy.register(monkeypatch)
    made = [coco_cases.annotation(number, point=[1, 2, 3], offset=[1, 2]) for number in (1, 2)]
    paths = DataPaths(*coco_cases.write(tmp_path, coco_cases.content(*made)))

    def opened(*heads):
        config = load_train_config({**tiny.CONFIG, "model": {**tiny.CONFIG["model"], "extra_heads": heads}})
        begin = check.Start(config=config, model=None, resumed=None, classes=None)
        return check.check_data(begin, partial(table.open_source, paths), log=log).samples.train

    assert [len(sample.labels) for sample in opened()] == [1]
    assert [sample.extras["offset"].tolist() for sample in opened("offset")] == [[[1, 2]]]
    with pytest.raises(UserError, match="2 objects left out, a value of an extra field is malformed"):
        opened("point")


def test_check_data_opens_the_data_before_all_else(log):
    def fail(fields):
        raise UserError("there is none")

    config = load_train_config({**tiny.CONFIG, "gpu_devices": [3]})
    with pytest.raises(UserError, match="there is none"):
        check.check_data(check.Start(config=config, model=None, resumed=None, classes=None), fail, log=log)
    assert log.messages == []  # nothing of devices yet


def test_check_refuses_a_metric_with_the_name_of_a_loss(log, tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS, "mine", MetricKind(None, validated={"mrcnn_mask_loss": "mask"}))
    with pytest.raises(ValueError, match=r"^a metric has a measure named 'mrcnn_mask_loss', which is a loss"):
        start(log, tmp_path / "out")


def test_check_data_chooses_tf32_and_says_it_on_a_gpu(log, tmp_path, monkeypatch):
    chosen = []
    monkeypatch.setattr(check.precision, "choose_tf32", chosen.append)
    data_checked(log, tmp_path / "cpu", tf32=False)
    assert chosen == [False]
    assert not [line for line in log.messages if "TF32" in line]
    monkeypatch.setattr(check.precision, "lines", lambda found, asked: [f"TF32: {found.policy} {asked}"])
    data_checked(log, tmp_path / "gpu")
    assert chosen == [False, None]
    assert "TF32: float32 float32" in log.messages


@pytest.mark.parametrize("jit_compile", [False, True])
def test_check_data_checks_the_devices_for_xla(log, tmp_path, monkeypatch, jit_compile):
    asked = []
    monkeypatch.setattr(devices, "check_xla", asked.append)
    checked = data_checked(log, tmp_path, jit_compile=jit_compile)
    assert asked == [checked.devices] * jit_compile


@pytest.fixture
def torchvision_file(tmp_path):
    state_dict_write.write_torch(tmp_path / "m.pth", foreign_examples.detector("torchvision", heads=()))
    return tmp_path / "m.pth"


def test_check_takes_family_and_numbers_from_a_file_of_another_code_base(log, tmp_path, torchvision_file):
    found = start(log, tmp_path / "out", model=str(torchvision_file), weights_init_type="transfer_learning", network={
        "roi_samples": 32
    }).config  # fmt: skip
    model = found.model
    assert (model.family, model.backbone, model.heads, model.roi_samples) == ("torchvision", "resnet50", (), 32)
    assert found.input_size.shape == "rectangle"
    assert [line for line in log.messages if "1e-05 is assumed" in line]
    assert [line for line in log.messages if line.startswith("model: network and conventions are those of the start")]


def test_check_start_auto_is_transfer_learning_from_the_given_weights(log, tmp_path, torchvision_file):
    begin = start(log, tmp_path / "out", model=str(torchvision_file), weights_init_type="auto")
    assert (begin.config.weights_init_type, begin.model.weights) == ("transfer_learning", torchvision_file)
    assert log.messages[0] == (
        f"`weights_init_type` auto: transfer_learning, because start weights {torchvision_file} are given"
    )


def test_check_does_not_remark_an_epsilon_that_the_config_sets(log, tmp_path, torchvision_file):
    given = {"family": "torchvision", "norm_epsilon": 0.0}
    config = start(
        log, tmp_path / "out", model=str(torchvision_file), weights_init_type="transfer_learning", network=given
    ).config
    assert config.model.norm_epsilon == 0
    assert not [line for line in log.messages if "is assumed" in line]


def test_check_refuses_another_family_than_that_of_the_file(log, tmp_path, torchvision_file):
    with pytest.raises(
        UserError, match=r"`model\.family` must be torchvision, as of the start weights, got detectron2"
    ):
        start(log, tmp_path / "out", model=str(torchvision_file), weights_init_type="transfer_learning", network={
            "family": "detectron2"
        })  # fmt: skip


def test_check_going_on_from_a_lone_file_needs_class_names(log, tmp_path, torchvision_file):
    with pytest.raises(UserError, match="Unable to continue_training, config for previous training wasn't found"):
        start(log, tmp_path / "out", model=str(torchvision_file), weights_init_type="continue_training")


def test_check_a_worker_that_does_not_lead_leaves_the_output_alone(log, tmp_path):
    config = load_train_config(tiny.CONFIG)
    check.check(config, model=None, output=tmp_path / "out", resume=False, log=log, leads=False)
    assert not (tmp_path / "out").exists()
