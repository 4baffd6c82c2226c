"""A family that only this file knows: its record and its builder, added to the public tables, train and detect."""

import json
from typing import ClassVar, Literal

import keras
import numpy as np
import pytest
from keras import ops
from pydantic import Field

from mrcnn.backbones.fpn import FeaturePyramid
from mrcnn.blocks.base import Float32Layer
from mrcnn.blocks.convolution import Convolution
from mrcnn.config import keys, schema, tables
from mrcnn.config.base import PositiveInt
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.family import FAMILIES
from mrcnn.config.load import load_train_config
from mrcnn.config.model import ModelConfig
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.models import layout
from mrcnn.models.build import BUILDERS
from mrcnn.models.families.matterport import build_layers
from mrcnn.models.mask_rcnn import MaskRCNN, Numbers
from mrcnn.models.trainable import select_trainable
from mrcnn.predict.predictor import Predictor
from mrcnn.train import check, run
from mrcnn.weights import hdf5, names
from tests.train import tiny

MEAN = (128.0, 128.0, 128.0)
PYRAMID = 8  # channels


class ToyConfig(ModelConfig):
    """Settings of the toy."""

    NETWORK = (*ModelConfig.NETWORK, "width", "kernel")
    TRAIN_LAYERS = ("heads", "second", "all")

    family: Literal["toy"] = Field(default="toy", description="the toy family")
    width: PositiveInt = Field(default=4, description="channels of its two convolutions")
    kernel: PositiveInt = Field(default=5, description="side of their kernels")


class TwoConvolutions(Float32Layer):
    """A backbone of two convolutions, whose output is subsampled for C3 to C5."""

    def __init__(self, *, width, kernel, feature_dtype):
        super().__init__(name="two_convolutions")
        self.convolutions = [
            Convolution(width, kernel, strides=2, name=f"toy_conv{number}", feature_dtype=feature_dtype)
            for number in (1, 2)
        ]

    def build(self, input_shape):
        for convolution in self.convolutions:
            convolution.build(input_shape)
            input_shape = (*input_shape[:-1], convolution.filters)

    def call(self, images, training=False):
        outputs = images / 128.0
        for convolution in self.convolutions:
            outputs = ops.relu(convolution(outputs))
        return tuple(outputs[:, :: 2**level, :: 2**level] for level in range(4))


class Toy(MaskRCNN):
    """Two convolutions below the usual pyramid and heads."""

    layer_patterns: ClassVar = {"heads": "(mrcnn|rpn|fpn)_.*", "second": "toy_conv2|(mrcnn|rpn|fpn)_.*", "all": ".*"}

    def __init__(self, *, num_classes, settings, **kwargs):
        config = ToyConfig(**settings)
        heads = MatterportConfig(
            anchor_sizes=(8, 16, 32, 48, 64),
            fpn_channels=PYRAMID,
            rpn_channels=PYRAMID,
            box_fc_channels=PYRAMID,
            pre_nms_topk=100,
            rpn_samples=32,
            roi_samples=16,
            mask_pool_size=7,
            mask_size=14,
            score_threshold=config.score_threshold,
            detections_per_image=config.detections_per_image,
        )
        dtype = keras.config.dtype_policy().compute_dtype
        parts = build_layers(heads, num_classes=num_classes, feature_dtype=dtype)._replace(
            backbone=TwoConvolutions(width=config.width, kernel=config.kernel, feature_dtype=dtype),
            neck=FeaturePyramid(channels=PYRAMID, name="fpn", feature_dtype=dtype),
        )
        super().__init__(parts, Numbers(MEAN, ((config.width,) * 4, PYRAMID), 50, 20), **kwargs)

    def weight_layout(self):
        groups = {}
        for name, layer in layout.named_layers(self).items():
            weights = groups.setdefault(names.group_of(name), [])
            weights += [(f"{name}/{weight.name}:0", weight) for weight in layer.weights]
        return [*groups.items()]


CONFIG = {
    **tiny.CONFIG,
    "epochs": 1,
    "model": {
        "family": "toy",
        "width": 6,
        "max_gt_instances": 4,
        "gt_mask_size": 16,
        "detections_per_image": 5,
        "score_threshold": 0.0,
    },
}


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(FAMILIES, "toy", ToyConfig)
    monkeypatch.setitem(BUILDERS, "toy", Toy)


class Lines(JsonLog):
    """Keeps the messages."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, message, *, level="info", **fields):
        self.messages.append(message)


@pytest.mark.slow
def test_build_model_trains_a_toy_family_and_predictor_load_reads_its_folder(tmp_path):
    project, log = tiny.write_project(tmp_path / "project", train=4, val=1), Lines()
    run.train(
        load_train_config({**CONFIG, "train_layers": "second"}),
        project_dir=project,
        output_dir=tmp_path / "out",
        log=log,
    )
    folder = tmp_path / "out" / "best"  # of 4 images in batches of 2: two steps
    stored = json.loads((folder / "config.json").read_text())["model"]
    assert (stored["family"], stored["width"], stored["kernel"]) == ("toy", 6, 5)
    assert "model: toy, input 64x64, `train_layers` second" in log.messages
    with hdf5.read_file(folder / "model_weights" / "model.h5") as file:
        weights = {name: value[()] for name, value in file.layers["toy_conv2"].items()}
    assert {name: value.shape for name, value in weights.items()} == {
        "toy_conv2/kernel:0": (5, 5, 6, 6),
        "toy_conv2/bias:0": (6,),
    }
    assert np.abs(weights["toy_conv2/bias:0"]).max() > 0  # it began as 0

    predictor = Predictor.load(folder)
    assert predictor.bundle.config == ToyConfig(**CONFIG["model"])
    kernel = predictor.bundle.model.backbone.convolutions[1].kernel
    np.testing.assert_array_equal(kernel, weights["toy_conv2/kernel:0"])
    select_trainable(predictor.bundle.model, "second")
    assert [layer.trainable for layer in predictor.bundle.model.backbone.convolutions] == [False, True]
    with pytest.raises(UserError, match=r"`train_layers` must be one of heads, second, all, got '3\+'"):
        select_trainable(predictor.bundle.model, "3+")
    (found,) = predictor.predict([np.full((48, 64, 3), 90, np.uint8)])
    assert len(found.scores) <= 5
    assert found.masks.shape[1:] == (48, 64)


def begin(folder, train_layers="all", **model):
    """Checks a run that starts from a folder of the toy."""
    (folder / "start" / "model_weights").mkdir(parents=True, exist_ok=True)
    (folder / "start" / "model_weights" / "model.h5").touch()
    stored = {"model": ToyConfig(width=6, score_threshold=0.2).model_dump(mode="json")}
    (folder / "start" / "config.json").write_text(json.dumps(stored))
    config = load_train_config(
        {**CONFIG, "weights_init_type": "transfer_learning", "model": model, "train_layers": train_layers}
    )
    start = check.check(config, model=str(folder / "start"), output=folder / "out", resume=False, log=Lines())
    return start.config.model


def test_check_takes_the_family_over_from_the_start_weights(tmp_path):
    assert begin(tmp_path) == ToyConfig(width=6)
    assert begin(tmp_path, family="toy", width=3) == ToyConfig(width=3)
    with pytest.raises(UserError, match=r"`model.family` must be toy, as of the start weights, got matterport"):
        begin(tmp_path, family="matterport")


def test_check_refuses_imagenet_weights_where_the_backbone_is_no_resnet(tmp_path):
    config = load_train_config({**CONFIG, "weights_init_type": "imagenet"})
    with pytest.raises(UserError, match="imagenet needs a model with a ResNet, and this one has none"):
        check.check(config, model=None, output=tmp_path / "out", resume=False, log=Lines())


def test_load_train_config_accepts_the_words_of_the_family_for_train_layers():
    assert load_train_config({**CONFIG, "train_layers": "second"}).train_layers == "second"
    with pytest.raises(UserError, match=r"^`train_layers` of toy must be 'heads', 'second' or 'all', got \"3\+\"$"):
        load_train_config({**CONFIG, "train_layers": "3+"})


def test_check_takes_the_words_for_train_layers_from_the_family_of_the_start_weights(tmp_path):
    assert begin(tmp_path, train_layers="second") == ToyConfig(width=6)
    with pytest.raises(UserError, match=r"^`train_layers` of toy must be 'heads', 'second' or 'all', got \"3\+\"$"):
        begin(tmp_path, train_layers="3+")


def test_check_refuses_the_words_of_another_family_for_train_layers(tmp_path):
    config = load_train_config({**tiny.CONFIG, "train_layers": "second"})
    with pytest.raises(UserError, match=r"^`train_layers` must be 'all', '3\+', .* or 'heads', got \"second\"$"):
        check.check(config, model=None, output=tmp_path / "out", resume=False, log=Lines())


def test_select_trainable_and_the_record_have_the_same_words():
    assert set(ToyConfig.TRAIN_LAYERS) == set(Toy.layer_patterns)


def test_page_tables_have_a_table_for_each_family():
    found = tables.page_tables()
    assert found["model"]["model.backbone"].default == '`"resnet101"`'
    assert "model.width" not in found["model"]
    assert found["model toy"]["model.width"] == tables.Row("integer >= 1", "`4`", "channels of its two convolutions")
    assert found["model toy"]["model.family"].type == '`"toy"`'
    nested = {key.split(".")[1] for key in found["model toy"] if key.count(".") == 2}
    own = {key.split(".")[1] for key in found["model toy"] if key.count(".") == 1}
    assert own | nested == {*ToyConfig.model_fields}
    assert "score_threshold" in own
    assert "panoptic" in nested
    layers = found["training, of the original"]["train_layers"].type
    assert layers == '`"all"`, `"3+"`, `"4+"`, `"5+"`, `"heads"`, `"2+"`, `"second"`'


def test_page_tables_lose_no_table_when_a_family_is_added(monkeypatch):
    more = tables.page_tables()
    monkeypatch.delitem(FAMILIES, "toy")
    one = tables.page_tables()
    assert more.keys() - one.keys() == {"model toy"}
    assert {name: more[name] for name in one if name != "training, of the original"} == {
        name: rows for name, rows in one.items() if name != "training, of the original"
    }


def test_model_keys_of_each_family_are_in_the_schema():
    choices = {item["then"]["properties"]["family"]["const"]: item["then"] for item in keys.model_keys()["allOf"]}
    assert choices.keys() == {"matterport", "torchvision", "torchvision_v2", "detectron2", "toy"}
    assert choices["toy"]["properties"]["width"]["default"] == 4


@pytest.mark.parametrize(
    ("values", "is_valid"),
    [
        ({"train_layers": "second", "model": {"family": "toy", "width": 3}}, True),
        ({"train_layers": "second"}, True),  # the start weights may be of the toy
        ({"train_layers": "3+", "model": {"backbone": "resnet50"}}, True),
        ({"train_layers": "third"}, False),
        ({"model": {"family": "toy", "backbone": "resnet50"}}, False),
        ({"model": {"family": "toi"}}, False),
        ({"model": {"width": 3}}, False),
    ],
)
def test_all_schemas_and_the_loader_agree_on_a_second_family(values, is_valid):
    jsonschema = pytest.importorskip("jsonschema", reason="`make install-dev` installs it")
    validator = jsonschema.Draft202012Validator(schema.all_schemas()["train.json"])
    assert validator.is_valid(values) == is_valid
    if is_valid:
        load_train_config(values)
    else:
        with pytest.raises(UserError):
            load_train_config(values)
