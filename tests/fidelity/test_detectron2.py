"""detectron2's own tests with fixed seeds, whose tensors were written out once, give its published numbers.

Source: facebookresearch/detectron2 at 02b5c4e2, tests/modeling/test_rpn.py::test_rpn (seed 121), test_fast_rcnn.py::
test_fast_rcnn (seed 132), test_roi_heads.py::test_roi_heads (seed 121); computed with PyTorch 2.14.1 on a CPU.
Arrays of detectron2 are xyxy, its deltas (dx, dy, dw, dh), its background is the last class.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config.families.torchvision import Detectron2Config
from mrcnn.heads.box import loss as box_losses
from mrcnn.heads.box.network import BoxHead
from mrcnn.heads.mask import loss as mask_losses
from mrcnn.heads.mask.network import MaskHead
from mrcnn.heads.rpn import loss as rpn_losses
from mrcnn.models.families.torchvision import DETECTRON2, build_layers
from mrcnn.ops import box_coding
from mrcnn.structures import AnchorTargets, Choices, MaskTargets, Proposals, RoiTargets
from mrcnn.weights.maps import entries

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
RPN = json.loads((FIXTURES / "detectron2_rpn.json").read_text())
FAST_RCNN = json.loads((FIXTURES / "detectron2_fast_rcnn.json").read_text())
SWAPPED = [1, 0, 3, 2]
SAMPLES = 256  # anchors that detectron2 draws from each image, and divides by even where there are fewer


def swapped(values):
    """Exchanges x and y of boxes or deltas, and makes them float32."""
    return np.asarray(values, np.float32)[..., SWAPPED]


@pytest.fixture(scope="module")
def layers():
    """The layers of a small model with detectron2's numbers."""
    config = Detectron2Config(fpn_channels=8, rpn_channels=8, box_fc_channels=8, pre_nms_topk=12000)
    return build_layers(config, num_classes=6, feature_dtype="float32", rules=DETECTRON2)


@pytest.fixture(scope="module")
def anchors():
    return tf.constant(swapped(RPN["anchors_xyxy"]))


@pytest.fixture(scope="module")
def targets(layers, anchors):
    batch = {
        "gt_boxes": swapped(RPN["gt_boxes"]),
        "gt_valid": np.ones((2, 1), bool),
        "gt_ignore": np.zeros((2, 1), bool),
        "seeds": np.zeros(2, np.int32),
    }
    return layers.rpn.targets(anchors, {name: tf.constant(value) for name, value in batch.items()})


def objectness():
    logits = np.asarray(RPN["objectness_logits"], np.float32)
    return np.stack([np.zeros_like(logits), logits], axis=-1)


def test_anchor_target_generator_labels_as_detectron2(targets):
    np.testing.assert_array_equal(targets.state, RPN["expected_labels"])


def test_rpn_class_loss_is_detectron2s(targets):
    # the mean over 2 x 30 sampled anchors here, divided by 2 x 256 there
    ours = float(rpn_losses.rpn_class_loss(objectness(), targets))
    assert ours * 2 * 30 / (2 * SAMPLES) == pytest.approx(0.08011703, abs=1e-7)


def test_rpn_bbox_loss_is_detectron2s(layers, targets):
    rpn = layers.rpn
    assert (rpn.box_loss_average, rpn.box_loss_beta) == ("samples", 0.0)
    ours = rpn_losses.rpn_bbox_loss(swapped(RPN["deltas"]), targets, average="samples", beta=0.0)
    assert float(ours) * 2 * 30 / (2 * SAMPLES) == pytest.approx(0.10147027, abs=1e-7)


def test_proposal_generator_proposes_as_detectron2(layers, anchors):
    limits = np.array([[[0, 0, height, width]] for height, width in RPN["image_sizes_hw"]], np.float32)
    got = layers.rpn.proposals(
        anchors,
        tf.constant(objectness()),
        tf.constant(swapped(RPN["deltas"])),
        level_sizes=(30,),
        limits=tf.constant(limits),
        count=30,
    )
    for image, expected in enumerate(RPN["expected_proposals"]):
        valid = np.asarray(got.valid)[image]
        np.testing.assert_allclose(np.asarray(got.boxes)[image][valid], swapped(expected["boxes"]), atol=1e-4)
        scores = 1 / (1 + np.exp(-np.asarray(expected["logits"])))
        np.testing.assert_allclose(np.asarray(got.scores)[image][valid], scores, atol=1e-6)


def head_outputs():
    """Computes class logits and deltas from the stored features, by weights arranged as ours."""
    features = np.asarray(FAST_RCNN["features"], np.float32)
    kinds = {
        "cls_weight": "dense_last",
        "cls_bias": "same_last",
        "bbox_weight": "box_deltas_of_objects",
        "bbox_bias": "deltas_of_objects",
    }
    ours = {name: entries.KINDS[kind].read(np.asarray(FAST_RCNN[name], np.float32)) for name, kind in kinds.items()}
    logits = features @ ours["cls_weight"] + ours["cls_bias"]
    deltas = features @ ours["bbox_weight"] + ours["bbox_bias"]
    return logits[None], deltas.reshape(1, 2, 6, 4)


def roi_targets(gt_classes):
    """Places detectron2's classes 0..4 and 5, its background, at 1..5 and 0."""
    rois, gt_boxes = (swapped(FAST_RCNN[name]) for name in ("proposals", "gt_boxes"))
    class_ids = (np.asarray(gt_classes) + 1) % 6
    deltas = np.asarray(box_coding.encode_boxes(gt_boxes, rois, delta_std=(0.1, 0.1, 0.2, 0.2)))
    return RoiTargets(
        rois=tf.constant(rois[None]),
        class_ids=tf.constant(class_ids[None].astype(np.int32)),
        deltas=tf.constant((deltas * (class_ids > 0)[:, None])[None]),
        matched_idx=tf.zeros((1, 2), tf.int32),
        valid=tf.ones((1, 2), bool),
    )


def test_mrcnn_losses_are_detectron2s():
    logits, deltas = head_outputs()
    targets = roi_targets(FAST_RCNN["gt_classes"])
    assert float(box_losses.mrcnn_class_loss(logits, targets)) == pytest.approx(1.7951188, abs=1e-6)
    loss = box_losses.mrcnn_bbox_loss(deltas, targets, average="samples", beta=0.0)
    assert float(loss) == pytest.approx(4.0357132, abs=2e-6)


@pytest.mark.parametrize(("beta", "expected"), [(0.0, 4.0357132), (1 / 9, 3.8405515), (1.0, 2.4298720)])
def test_mrcnn_bbox_loss_is_detectron2s_at_every_beta(beta, expected):
    loss = box_losses.mrcnn_bbox_loss(
        head_outputs()[1], roi_targets(FAST_RCNN["gt_classes"]), average="samples", beta=beta
    )
    assert float(loss) == pytest.approx(expected, abs=2e-6)


def test_mrcnn_losses_are_detectron2s_with_a_background_region():
    logits, deltas = head_outputs()
    targets = roi_targets([5, 2])
    assert float(box_losses.mrcnn_class_loss(logits, targets)) == pytest.approx(1.7834884, abs=1e-6)
    loss = box_losses.mrcnn_bbox_loss(deltas, targets, average="samples", beta=0.0)
    assert float(loss) == pytest.approx(3.0264049, abs=2e-6)


def test_detection_generator_detects_as_detectron2(layers):
    case = FAST_RCNN["inference"]
    scores = np.asarray(case["scores"], np.float32)  # objects, then the background
    logits = np.log(np.concatenate([scores[:, -1:], scores[:, :-1]], axis=1))
    boxes = swapped(np.reshape(case["boxes_per_class"], (4, 2, 4))[:, 0])  # those of both classes are equal
    height, width = case["image_hw"]
    got = layers.box.detections(
        Proposals(boxes=tf.constant(boxes[None]), scores=tf.ones((1, 4)), valid=tf.ones((1, 4), bool)),
        tf.constant(logits[None]),
        tf.zeros((1, 4, 3, 4)),
        windows=tf.constant([[0.0, 0.0, height, width]]),
        choices=Choices(
            score_threshold=case["score_thresh"],
            detection_nms_iou_threshold=case["nms_thresh"],
            detections_per_image=case["topk"],
        ),
    )
    expected = case["expected"]
    np.testing.assert_allclose(got.boxes[0], swapped(expected["boxes"]), atol=1e-5)
    np.testing.assert_allclose(got.scores[0], expected["scores"], atol=1e-6)
    np.testing.assert_array_equal(got.class_ids[0], np.add(expected["classes"], 1))


# detectron2's outputs start near 0, so that its first losses are those of a guess: ln 2 for objectness, ln(K + 1) for
# classes and ln 2 for masks. Here objectness and classes start so too. The family's masks do not: they start at about
# the size of their inputs (`balanced`), since from outputs near 0 the layers before them learn little at first; `he`,
# detectron2's 0.001, has them near 0.


def test_rpn_head_starts_with_the_loss_of_a_guess(layers):
    maps = [tf.random.stateless_normal((1, side, side, 8), seed=(1, side)) for side in (8, 4, 2, 2, 1)]
    logits, _ = layers.rpn.network(maps)
    state = tf.constant(np.arange(logits.shape[1])[None] % 2, tf.int32)  # every other anchor is an object
    loss = rpn_losses.rpn_class_loss(logits, AnchorTargets(state=state, deltas=tf.zeros((*state.shape, 4))))
    assert float(loss) == pytest.approx(np.log(2), abs=2e-3)


@pytest.mark.parametrize("objects", [1, 80])
def test_box_head_starts_with_the_loss_of_a_guess(objects):
    regions = tf.random.stateless_normal((40, 7, 7, 16), seed=(1, 2))
    logits, _ = BoxHead(num_classes=objects + 1, initial_values="balanced", batch_norm=None, channels=64)(regions)
    class_ids = tf.constant(np.arange(40)[None] % (objects + 1), tf.int32)
    targets = RoiTargets(tf.zeros((1, 40, 4)), class_ids, tf.zeros((1, 40, 4)), class_ids, tf.ones((1, 40), bool))
    assert float(box_losses.mrcnn_class_loss(logits[None], targets)) == pytest.approx(np.log(objects + 1), abs=0.05)


@pytest.mark.parametrize(("initial_values", "is_guess"), [("he", True), ("balanced", False)])
def test_mask_head_starts_with_the_loss_of_a_guess_only_near_0(initial_values, is_guess):
    keras.utils.set_random_seed(1)
    regions = tf.random.stateless_normal((6, 14, 14, 16), seed=(1, 2))
    head = MaskHead(num_classes=4, channels=16, batch_norm=None, initial_values=initial_values)
    masks = tf.cast(tf.random.stateless_uniform((6, 28, 28), seed=(3, 4)) > 0.5, tf.float32)
    targets = MaskTargets(masks, tf.constant([1, 2, 3, 1, 2, 3]), tf.ones((6, 28, 28)))
    loss = float(mask_losses.mrcnn_mask_loss(head(regions), targets))
    assert bool(abs(loss - np.log(2)) < 1e-3) is is_guess
