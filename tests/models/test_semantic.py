"""Models with the semantic head."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.families.torchvision import Detectron2Config
from mrcnn.errors import UserError
from mrcnn.models import extra_heads
from mrcnn.models.build import build_model
from mrcnn.models.trainable import select_trainable
from mrcnn.structures import UNLABELLED, SemanticRules
from tests.heads import parts

LOSS = "mrcnn_semantic_loss"
SETTINGS = {**parts.SETTINGS, "extra_heads": ("semantic",), "stuff_classes": ("sky", "road")}


def build(**settings):
    keras.utils.set_random_seed(0)
    return build_model(MatterportConfig(**{**SETTINGS, **settings}), num_classes=3)


@pytest.fixture(scope="module")
def model():
    return build()


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    return {
        **parts.batch([[8, 8, 40, 40]], [2]),
        "gt_semantic": rng.integers(0, 3, (1, parts.SIDE, parts.SIDE)).astype("uint8"),
        "images": rng.integers(0, 256, (1, parts.SIDE, parts.SIDE, 3)).astype("float32"),
        "windows": np.array([[0, 0, parts.SIDE, parts.SIDE]], "float32"),
    }


def test_a_model_has_as_many_values_as_detectron2s():
    # detectron2 (02b5c4e2), panoptic_fpn_R_50_1x: 80 things, 53 stuff classes; 45,973,990 parameters. It has a frozen
    # batch norm of four values a channel, as this project has
    stuff = tuple(f"stuff {number}" for number in range(53))
    config = Detectron2Config(backbone="resnet50", extra_heads=("semantic",), stuff_classes=stuff)
    without = build_model(Detectron2Config(backbone="resnet50"), num_classes=81).count_params()
    assert build_model(config, num_classes=81).count_params() - without == 45_973_990 - 44_343_216


def test_detections_have_a_map(model, batch):
    found = model(batch)
    assert found.maps["semantic"].shape == (1, parts.SIDE // 4, parts.SIDE // 4, 3)
    assert found.extras == {}
    assert model.detect_boxes(batch).maps == {}


def test_losses_weigh_the_map_by_one_half_unless_the_config_says_otherwise(model, batch):
    outputs = model(batch, training=True)
    total, values = model.losses_of(outputs)
    others = sum(float(value) for name, value in values.items() if name != LOSS)
    assert float(values[LOSS]) > 0
    assert float(total) == pytest.approx(others + 0.5 * float(values[LOSS]), rel=1e-5)
    weighted = build(loss_weights={LOSS: 2.0})
    weighted.set_weights(model.get_weights())
    total, values = weighted.losses_of(weighted(batch, training=True))
    others = sum(float(value) for name, value in values.items() if name != LOSS)
    assert float(total) == pytest.approx(others + 2 * float(values[LOSS]), rel=1e-5)


def test_loss_of_an_image_without_labels_is_zero(model, batch):
    empty = {**batch, "gt_semantic": np.full_like(batch["gt_semantic"], UNLABELLED)}
    assert float(model.losses_of(model(empty, training=True))[1][LOSS]) == 0.0


def test_validate_has_loss_and_map(model, batch):
    losses, found = model.validate(batch)
    assert LOSS in losses
    assert "semantic" in found.maps


def test_traced_detection_equals_the_eager_one_with_unknown_sides(model, batch):
    specs = [tf.TensorSpec((None, None, None, 3), tf.float32), tf.TensorSpec((None, 4), tf.float32)]
    traced = tf.function(lambda images, windows: model({"images": images, "windows": windows}), input_signature=specs)
    expected = np.asarray(model(batch).maps["semantic"])
    found = traced(batch["images"], batch["windows"]).maps["semantic"]
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_names_of_the_head_reach_log_and_selection(model):
    assert LOSS in model.loss_names
    assert model.loss_labels[LOSS] == "semantic map"
    assert "mrcnn_semantic_predictor" in model.class_layers
    chosen = select_trainable(build(), "heads")
    assert {"mrcnn_semantic_p5_conv3", "mrcnn_semantic_p5_norm3", "mrcnn_semantic_predictor"} <= set(chosen)


def test_a_saved_config_builds_the_same_model(model):
    again = type(model).from_config(model.get_config())
    assert [tuple(each.shape) for each in again.weights] == [tuple(each.shape) for each in model.weights]


def test_build_refuses_a_semantic_head_without_stuff_classes():
    with pytest.raises(UserError, match=r"`special_classes.stuff` must list the classes of the head 'semantic'"):
        build(stuff_classes=())


def test_maps_are_those_of_the_heads():
    assert extra_heads.maps(MatterportConfig(**SETTINGS)) == {"semantic": SemanticRules(("sky", "road"))}
    assert extra_heads.maps(MatterportConfig()) == {}
    assert extra_heads.gives(("semantic",)) == ()
