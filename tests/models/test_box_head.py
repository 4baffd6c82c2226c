"""The box head of the settings in each family, and a whole model with a cascade."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.families.torchvision import Detectron2Config, TorchvisionConfig, TorchvisionV2Config
from mrcnn.heads.box.head import Boxes
from mrcnn.heads.cascade.head import CascadeBoxes
from mrcnn.models import extra_heads, trainable
from mrcnn.models.build import build_model
from mrcnn.models.families import matterport, torchvision
from mrcnn.models.layout import named_layers

FAMILIES = {
    "matterport": (MatterportConfig, matterport.build_layers),
    "torchvision": (TorchvisionConfig, torchvision.build_layers),
    "torchvision_v2": (TorchvisionV2Config, torchvision.build_layers),
    "detectron2": (Detectron2Config, torchvision.build_layers),
}
SMALL = {
    "backbone": "resnet50", "anchor_sizes": (8, 16, 32, 64, 128), "fpn_channels": 8, "rpn_channels": 8,
    "box_fc_channels": 8, "pre_nms_topk": 40, "post_nms_topk_train": 30, "post_nms_topk": 10, "rpn_samples": 16,
    "roi_samples": 12, "max_gt_instances": 4, "mask_pool_size": 7, "mask_size": 14, "detections_per_image": 5,
    "score_threshold": 0.0, "box_head": "cascade",
}  # fmt: skip
SIDE = 64


def box_of(family, **settings):
    record, layers_of = FAMILIES[family]
    return layers_of(record(**settings), num_classes=3, feature_dtype="float32").box


@pytest.mark.parametrize("family", FAMILIES)
def test_build_of_a_single_box_head_is_the_default(family):
    assert type(box_of(family)) is Boxes


@pytest.mark.parametrize("family", FAMILIES)
def test_build_brings_the_settings_of_a_cascade_to_its_stages(family):
    ious, stds = (0.4, 0.55, 0.65, 0.75), tuple((number / 10,) * 4 for number in (1, 2, 3, 4))
    box = box_of(
        family, box_head="cascade", cascade_ious=ious, cascade_delta_std=stds, roi_positive_iou=0.4,
        box_delta_std=stds[0], ignore_share=0.25,
    )  # fmt: skip
    assert type(box) is CascadeBoxes
    assert [targets.positive_iou for targets in (box.targets, *box.later_targets)] == list(ious)
    assert [tuple(targets.delta_std) for targets in (box.targets, *box.later_targets)] == list(stds)
    assert {targets.ignore_share for targets in box.later_targets} == {0.25}
    assert tuple(box.detections.delta_std) == stds[-1]
    assert [network.class_agnostic for network in box.networks] == [True] * 4
    shapes = {
        (network.first.conv.filters, len(network.convolutions), network.second is None) for network in box.networks
    }
    assert len(shapes) == 1
    assert len({network.class_logits.name for network in box.networks}) == 4
    losses = FAMILIES[family][0](
        box_head="cascade", cascade_ious=ious, cascade_delta_std=stds, roi_positive_iou=0.4, box_delta_std=stds[0]
    ).losses
    assert set(box.loss_names) == {name for name in losses if "mrcnn" in name and "mask" not in name}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("box_head", ["single", "cascade"])
def test_build_brings_the_class_loss_to_the_head(family, box_head):
    usual = box_of(family, box_head=box_head)
    assert (usual.class_loss, usual.federated_classes, usual.detections.scoring) == ("softmax", 50, "softmax")
    box = box_of(family, box_head=box_head, class_loss="federated", federated_classes=7)
    assert (box.class_loss, box.federated_classes, box.detections.scoring) == ("federated", 7, "sigmoid")
    assert box_of(family, class_loss="sigmoid").detections.scoring == "sigmoid"
    for network in (*usual.networks, *box.networks):
        network.class_logits.build((None, 8))
    assert not np.array([network.class_logits.bias for network in usual.networks]).any()
    # every class begins at a score of 0.01: 1 / (1 + exp(x)) with x = log 99
    biases = np.array([network.class_logits.bias for network in box.networks])
    np.testing.assert_allclose(1 / (1 + np.exp(-biases)), 0.01, rtol=1e-5)


@pytest.mark.parametrize("class_loss", ["sigmoid", "federated"])
def test_build_model_with_a_score_of_each_class_trains_validates_and_detects(class_loss):
    keras.utils.set_random_seed(0)
    settings = {**SMALL, "box_head": "single", "class_loss": class_loss, "federated_classes": 1}
    model = build_model(FAMILIES["detectron2"][0](**settings), num_classes=4)
    model.count_classes((0, 5, 5, 5))
    with tf.GradientTape() as tape:
        total, parts = model.losses_of(model(drawn(), training=True))
    kernel = model.box.network.class_logits.kernel
    gradient = np.abs(tape.gradient(total, kernel)).max(axis=0)
    # the objects have classes 1 and 2, so the federated loss leaves class 3 out; the background has no score
    assert (gradient > 0).tolist() == [False, True, True, class_loss == "sigmoid"]
    assert float(parts["mrcnn_class_loss"]) > 0
    _, found = model.validate(drawn())
    scores = np.asarray(found.scores)[np.asarray(found.valid)]
    assert len(scores)
    assert ((scores > 0) & (scores <= 1)).all()


@pytest.fixture(scope="module", params=["matterport", "detectron2"])
def model(request):
    keras.utils.set_random_seed(0)
    return build_model(FAMILIES[request.param][0](**SMALL), num_classes=3)


def drawn(count=2):
    """Images of noise: one with two objects, the others without any."""
    rng = np.random.default_rng(0)
    boxes, valid = np.zeros((count, 4, 4), "float32"), np.zeros((count, 4), bool)
    boxes[0, :2], valid[0, :2] = [[8, 8, 32, 32], [30, 35, 55, 60]], True
    fields = {
        "images": rng.uniform(0, 255, (count, SIDE, SIDE, 3)).astype("float32"),
        "windows": np.float32([[0, 0, SIDE, SIDE]] * count),
        "gt_boxes": boxes,
        "gt_class_ids": (valid * np.int32([1, 2, 0, 0])).astype("int32"),
        "gt_masks": np.full((count, 4, 16, 16), 255, "uint8"),
        "gt_valid": valid,
        "gt_ignore": np.zeros_like(valid),
        "neutral": np.zeros((count, SIDE, SIDE), bool),
        "image_ids": np.arange(count, dtype="int32"),
        "seeds": np.arange(count, dtype="int32"),
    }
    return {name: tf.constant(value) for name, value in fields.items()}


@pytest.mark.parametrize("fixed", [False, True])
def test_build_model_with_a_cascade_trains_every_head(model, fixed):
    model.use_fixed_slots(fixed)
    with tf.GradientTape() as tape:
        total, parts = model.losses_of(model(drawn(), training=True))
    assert set(parts) == {*model.loss_names, "l2_loss"} == {*extra_heads.losses(model.settings), "l2_loss"}
    assert float(total) == pytest.approx(sum(map(float, parts.values())), rel=1e-5)  # each loss at weight 1
    later = {name for name in model.loss_names if "bbox_loss_stage" in name}  # of random boxes, none may be an object
    assert all(float(parts[name]) > 0 for name in model.loss_names if name not in later)
    by_layer = zip(model.trainable_variables, tape.gradient(total, model.trainable_variables), strict=True)
    without = {variable.path for variable, gradient in by_layer if gradient is None}
    assert not {path for path in without if "mrcnn" in path}


def test_build_model_with_a_cascade_gives_the_mask_head_the_sample_of_the_first_stage(model):
    model.use_fixed_slots(False)
    outputs = model(drawn(), training=True)
    objects = int(np.asarray(outputs.box.targets.class_ids > 0).sum())
    assert objects > 0
    counted = np.asarray(outputs.heads[0].targets.class_ids)
    assert int((counted > 0).sum()) == objects
    later = [int(np.asarray(stage.targets.class_ids > 0).sum()) for stage in outputs.box.later]
    assert any(count != objects for count in later)


def test_build_model_with_a_cascade_validates_and_detects(model):
    losses, found = model.validate(drawn())
    assert all(np.isfinite(float(value)) for value in losses.values())
    assert found.masks.shape == (2, 5, 14, 14)
    valid = np.asarray(found.valid)
    assert valid.any()
    assert (np.asarray(found.scores)[valid] <= 1).all()
    images = {name: drawn()[name] for name in ("images", "windows")}
    eager, traced = model(images), tf.function(lambda: model(images))()
    np.testing.assert_allclose(eager.scores, traced.scores, atol=1e-5)
    np.testing.assert_allclose(eager.boxes, traced.boxes, atol=1e-2)


def test_build_model_with_a_cascade_selects_its_layers_as_heads(model):
    chosen = set(trainable.select_trainable(model, "heads"))
    stages = {name for name in named_layers(model) if "_stage" in name}
    assert len(stages) == (12 if model.settings.family == "matterport" else 8)  # norms in Matterport's alone
    assert stages <= chosen
    assert "conv1" not in chosen
    trainable.select_trainable(model, "all")


def test_build_model_with_a_cascade_lists_the_layers_of_its_classes(model):
    assert set(model.class_layers) <= set(named_layers(model))
    assert {name for name in model.class_layers if "logits" in name} == {
        "mrcnn_class_logits", "mrcnn_class_logits_stage2", "mrcnn_class_logits_stage3",
    }  # fmt: skip


def test_build_model_with_a_cascade_from_its_config_is_the_same(model):
    twin = type(model).from_config(model.get_config())
    assert twin.settings == model.settings
    shapes = [[(weight.path, tuple(weight.shape)) for weight in one.weights] for one in (twin, model)]
    assert [shape for _, shape in shapes[0]] == [shape for _, shape in shapes[1]]


def test_build_refuses_an_extra_head_with_the_name_of_a_stages_loss(monkeypatch):
    kind = extra_heads.HEADS["keypoints"]
    clashing = type("Clashing", (kind.head,), {"loss_names": ("mrcnn_class_loss_stage2",)})

    def make(settings, **kwargs):
        head = kind.build(settings, **kwargs)
        head.__class__ = clashing
        return head

    monkeypatch.setitem(extra_heads.HEADS, "keypoints", extra_heads.HeadType(clashing, make))
    settings = {"extra_heads": ["keypoints"], "keypoints": {"names": ["a"]}}
    with pytest.raises(ValueError, match="uses the name 'mrcnn_class_loss_stage2', which the model has already"):
        box_of("matterport", box_head="cascade", **settings)
