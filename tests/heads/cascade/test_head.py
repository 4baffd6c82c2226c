import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.box import loss
from mrcnn.heads.cascade import refine
from mrcnn.heads.cascade.head import CascadeBoxes
from mrcnn.ops import reduction
from mrcnn.structures import Choices, Proposals
from tests.heads import parts as small

REGIONS = np.float32([[[8, 8, 40, 40], [0, 0, 20, 20], [0, 0, 0, 0]]])
PROPOSALS = Proposals(REGIONS, np.float32([[0.9, 0.8, 0]]), np.array([[True, True, False]]))
WINDOWS = np.float32([[0, 0, 64, 64]])
CHOICES = Choices(score_threshold=0.0, detections_per_image=4)
SIZE = {"image_size": (64, 64)}


def make_box(**settings):
    return small.build(**{"box_head": "cascade", "roi_add_gt_boxes": False, **settings}).box


@pytest.fixture
def box():
    return make_box()


def batch(boxes=((8, 8, 40, 40),), class_ids=(2,), windows=WINDOWS):
    return small.batch([list(box) for box in boxes], list(class_ids)) | {"windows": windows}


def predicting(box, *stages):
    """Predicts the same for every region in each stage: logits of the 3 classes and the 4 deltas of the box."""
    for network, (logits, deltas) in zip(box.networks, stages, strict=True):
        for layer, values in ((network.class_logits, logits), (network.box_deltas, deltas)):
            layer.set_weights([np.zeros_like(layer.kernel), np.float32(values)])
    return box


# each stage moves by its own share of the side: 0.1, 0.05 and 1 / 30 of 32 pixels
MOVING = (
    (np.log([0.2, 0.5, 0.3]), [1, 0, 0, 0]),
    (np.log([0.2, 0.2, 0.6]), [0, 1, 0, 0]),
    (np.log([0.2, 0.8, 0.0 + 1e-9]), [-1, 0, 0, 0]),
)


def test_detect_averages_the_scores_of_the_stages_on_the_boxes_of_the_last(box):
    found = predicting(box, *MOVING).detect(small.pyramid()[:4], PROPOSALS, WINDOWS, choices=CHOICES, **SIZE)
    # class 1: (0.5 + 0.2 + 0.8) / 3 = 0.5; class 2: (0.3 + 0.6 + 0) / 3 = 0.3; two regions of each
    np.testing.assert_allclose(found.scores, [[0.5, 0.5, 0.3, 0.3]], atol=1e-5)
    assert np.asarray(found.class_ids).tolist() == [[1, 1, 2, 2]]
    first, second = sorted(np.asarray(found.boxes)[0, :2].tolist(), reverse=True)
    down, right = 0.1 * 32 - 32 / 30, 0.05 * 32
    np.testing.assert_allclose(first, [8 + down, 8 + right, 40 + down, 40 + right], atol=1e-4)
    down, right = 0.1 * 20 - 20 / 30, 0.05 * 20
    np.testing.assert_allclose(second, [down, right, 20 + down, 20 + right], atol=1e-4)


def test_detect_clips_the_boxes_of_every_stage_to_the_window(box):
    # the first stage moves 0.1 * 50 * 32 = 160 down and out; the second and third would bring it back
    stages = [([0, 9, 0], [50, 0, 0, 0]), ([0, 9, 0], [-100, 0, 0, 0]), ([0, 9, 0], [0, 0, 0, 0])]
    found = predicting(box, *stages).detect(small.pyramid()[:4], PROPOSALS, WINDOWS, choices=CHOICES, **SIZE)
    assert not np.asarray(found.valid).any()
    window = np.float32([[4, 4, 30, 30]])
    still = [([0, 9, 0], [0, 0, 0, 0])] * 3
    found = predicting(box, *still).detect(small.pyramid()[:4], PROPOSALS, window, choices=CHOICES, **SIZE)
    boxes = np.asarray(found.boxes)[np.asarray(found.valid)]
    assert sorted({*map(tuple, boxes.tolist())}) == [(4, 4, 20, 20), (8, 8, 30, 30)]


def test_detect_finds_nothing_without_proposals(box):
    nothing = Proposals(np.zeros((1, 3, 4), np.float32), np.zeros((1, 3), np.float32), np.zeros((1, 3), bool))
    found = box.detect(small.pyramid()[:4], nothing, WINDOWS, choices=CHOICES, **SIZE)
    assert not np.asarray(found.valid).any()
    assert not np.asarray(found.boxes).any()


def test_outputs_of_a_stage_are_for_the_refined_boxes_of_the_one_before(box):
    outputs = predicting(box, *MOVING).outputs(small.pyramid()[:4], PROPOSALS, batch(), training=True, **SIZE)
    stages = (outputs, *outputs.later)
    rois = [np.asarray(stage.targets.rois)[0] for stage in stages]
    assert [values.shape for values in rois] == [(6, 4)] * 3
    np.testing.assert_allclose(rois[0][0], [8, 8, 40, 40])
    np.testing.assert_allclose(rois[1][0], [11.2, 8, 43.2, 40], atol=1e-4)  # 3.2 down
    np.testing.assert_allclose(rois[2][0], [11.2, 9.6, 43.2, 41.6], atol=1e-4)  # then 1.6 to the right
    # IoU with the object: 1; 28.8 / 35.2 = 0.818; 28.8 * 30.4 / (2 * 1024 - 28.8 * 30.4) = 0.747
    assert [np.asarray(stage.targets.class_ids)[0].tolist() for stage in stages] == [[2, 0, 0, 0, 0, 0]] * 3
    # dy of the third: -3.2 / 32 * 30 = -3, dx -1.6 / 32 * 30 = -1.5
    np.testing.assert_allclose(np.asarray(stages[2].targets.deltas)[0, 0], [-3, -1.5, 0, 0], atol=1e-4)


def test_outputs_later_stages_want_more_overlap():
    ious = {"cascade_ious": (0.5, 0.75, 0.9)}
    outputs = predicting(make_box(**ious), *MOVING).outputs(
        small.pyramid()[:4], PROPOSALS, batch(), training=True, **SIZE
    )
    found = [np.asarray(stage.targets.class_ids)[0, 0] for stage in (outputs, *outputs.later)]
    assert found == [2, 2, 0]  # IoU 1, 0.818 and 0.747 of the test above


@pytest.mark.parametrize("add", [False, True])
def test_outputs_have_the_objects_own_boxes_in_the_first_stage_alone(add):
    box = predicting(make_box(roi_add_gt_boxes=add, roi_positive_fraction=0.99), *MOVING)
    outputs = box.outputs(small.pyramid()[:4], PROPOSALS, batch(((9, 9, 40, 40),)), training=True, **SIZE)
    owns = [
        int((np.abs(np.asarray(stage.targets.rois)[0] - [9, 9, 40, 40]).max(axis=-1) < 1e-3).sum())
        for stage in (outputs, *outputs.later)
    ]
    assert owns == [int(add), 0, 0]
    counted = [int(np.asarray(stage.targets.valid).sum()) for stage in (outputs, *outputs.later)]
    assert counted == [2 + add] * 3  # no new sample, nor a region more


def test_outputs_without_objects_are_background(box):
    empty = batch() | {"gt_valid": np.zeros((1, 1), bool)}
    outputs = box.outputs(small.pyramid()[:4], PROPOSALS, empty, training=True, **SIZE)
    for stage in (outputs, *outputs.later):
        assert not np.asarray(stage.targets.class_ids).any()
        assert np.asarray(stage.targets.valid)[0].tolist() == [True, True, False, False, False, False]
    losses = box.losses(outputs, across=reduction.identity)
    assert all(float(losses[name]) == 0 for name in losses if "bbox" in name)
    assert all(float(losses[name]) > 0 for name in losses if "class" in name)


def test_outputs_count_unused_slots_in_the_first_stage_alone():
    box = make_box(count_unused_rois=True, roi_negatives="two_per_object")
    outputs = box.outputs(small.pyramid()[:4], PROPOSALS, batch(), training=True, **SIZE)
    counted = [int(np.asarray(stage.targets.valid).sum()) for stage in (outputs, *outputs.later)]
    assert counted[0] == 6
    assert max(counted[1:]) <= 2


def test_outputs_and_detections_in_matterports_frame_are_in_pixels():
    still = [([0, 9, 0], [0, 0, 0, 0])] * 3
    box = predicting(make_box(box_normalization="minus_one"), *still)
    narrow = batch(windows=np.float32([[0, 0, 64, 36]]))
    outputs = box.outputs(small.pyramid()[:4], PROPOSALS, narrow, training=True, **SIZE)
    for stage, right in zip((outputs, *outputs.later), (40, 36, 36), strict=True):  # later stages are clipped
        np.testing.assert_allclose(np.asarray(stage.targets.rois)[0, 0], [8, 8, 40, right], atol=1e-4)
    np.testing.assert_allclose(np.asarray(outputs.targets.deltas)[0, 0], [0, 0, 0, 0], atol=1e-4)
    # from (8, 8, 39, 35) to (8, 8, 39, 39) of that frame: the centre is 2 to the right, of 27; 27 becomes 31
    expected = [0, 2 / 27 / 0.05, 0, np.log(31 / 27) / 0.1]
    np.testing.assert_allclose(np.asarray(outputs.later[0].targets.deltas)[0, 0], expected, atol=1e-3)
    found = box.detect(small.pyramid()[:4], PROPOSALS, np.float32([[0, 0, 64, 36]]), choices=CHOICES, **SIZE)
    boxes = np.asarray(found.boxes)[0][np.asarray(found.valid)[0]]
    expected = [(0, 0, 20, 20), (8, 8, 40, 36)]  # the second clipped to the window
    np.testing.assert_allclose(sorted({tuple(np.round(row, 4).tolist()) for row in boxes}), expected, atol=1e-4)


def test_losses_are_named_by_stage_and_weigh_the_same(box):
    assert box.loss_names == (
        "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_class_loss_stage2", "mrcnn_bbox_loss_stage2",
        "mrcnn_class_loss_stage3", "mrcnn_bbox_loss_stage3",
    )  # fmt: skip
    assert box.loss_labels["mrcnn_bbox_loss"] == "box"
    assert box.loss_labels["mrcnn_class_loss_stage3"] == "class, stage 3"
    outputs = predicting(box, *MOVING).outputs(small.pyramid()[:4], PROPOSALS, batch(), training=True, **SIZE)
    losses = box.losses(outputs, across=reduction.identity)
    assert tuple(losses) == box.loss_names
    # two regions, one of class 2 and one of background, whose probabilities are 0.3 and 0.2
    assert float(losses["mrcnn_class_loss"]) == pytest.approx(-np.log(0.3 * 0.2) / 2, rel=1e-5)
    assert float(losses["mrcnn_class_loss_stage2"]) == pytest.approx(-np.log(0.6 * 0.2) / 2, rel=1e-5)
    # stage 2 predicts dx 1, its region needs dy -3.2 / 32 * 20 = -2: smooth L1 linear from 1 / 9 on, over 2 regions
    assert float(losses["mrcnn_bbox_loss_stage2"]) == pytest.approx((1 - 1 / 18 + 2 - 1 / 18) / 2, rel=1e-4)


def test_class_layers_are_those_of_every_stage(box):
    assert set(box.class_layers) == {
        f"{layer}{stage}" for layer in ("mrcnn_class_logits", "mrcnn_bbox_fc") for stage in ("", "_stage2", "_stage3")
    }
    assert [network.class_agnostic for network in box.networks] == [True] * 3


def gradients(box, stage):
    """Gradients of the losses of one stage by P2 and by the weights of each stage."""
    maps = [tf.Variable(values) for values in small.pyramid()[:4]]
    tensors = {name: tf.constant(value) for name, value in batch().items()}
    weights = [network.trainable_variables for network in box.networks]
    with tf.GradientTape() as tape:
        proposals = Proposals(*map(tf.constant, PROPOSALS))
        outputs = box.outputs([tf.identity(values) for values in maps], proposals, tensors, training=True, **SIZE)
        names = box.loss_names[2 * stage : 2 * stage + 2]
        total = sum(value for name, value in box.losses(outputs, across=reduction.identity).items() if name in names)
    by_map, *by_stage = tape.gradient(total, [maps[0], *weights])
    return np.asarray(by_map), [[None if value is None else np.asarray(value) for value in part] for part in by_stage]


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_outputs_pass_a_third_of_the_gradient_to_the_features_and_none_to_other_stages(box, stage, monkeypatch):
    by_map, by_stage = gradients(box, stage)
    monkeypatch.setattr(refine, "scale_gradient", lambda values, factor: values)
    whole, unscaled = gradients(box, stage)
    assert np.abs(whole).max() > 0
    np.testing.assert_allclose(by_map, whole / 3, atol=1e-6 * np.abs(whole).max())
    for number, (found, expected) in enumerate(zip(by_stage, unscaled, strict=True)):
        if number == stage:
            assert all(np.allclose(one, other) for one, other in zip(found, expected, strict=True))
            assert any(np.abs(values).max() > 0 for values in found)
        else:  # no gradient flows through the boxes
            assert all(values is None for values in found)


def test_cascade_boxes_of_one_stage_is_the_single_box_head_with_shared_boxes():
    box = make_box()
    single = CascadeBoxes(
        features=box.features, network=box.network, detections=box.detections, targets=box.targets,
        box_loss_average=box.box_loss_average, later_networks=(), later_targets=(),
    )  # fmt: skip
    plain = super(CascadeBoxes, single)
    maps = small.pyramid()[:4]
    one, other = (head.detect(maps, PROPOSALS, WINDOWS, choices=CHOICES, **SIZE) for head in (single, plain))
    for values, expected in zip(one, other, strict=True):
        np.testing.assert_array_equal(values, expected)
    one, other = (head.outputs(maps, PROPOSALS, batch(), training=True, **SIZE) for head in (single, plain))
    np.testing.assert_array_equal(one.class_logits, other.class_logits)
    np.testing.assert_array_equal(one.targets.rois, other.targets.rois)
    assert one.later == ()


def test_detect_is_the_same_in_a_graph_of_unknown_batch_size(box):
    maps = [np.concatenate([values, values[:, ::-1]]) for values in small.pyramid()[:4]]
    arrays = [*maps, *(np.concatenate([values] * 2) for values in (*PROPOSALS, WINDOWS))]

    def detect(p2, p3, p4, p5, boxes, scores, valid, windows):
        return box.detect((p2, p3, p4, p5), Proposals(boxes, scores, valid), windows, choices=CHOICES, **SIZE)

    specs = [tf.TensorSpec([None, *values.shape[1:]], values.dtype) for values in arrays]
    for eager, traced in zip(detect(*arrays), tf.function(detect, input_signature=specs)(*arrays), strict=True):
        np.testing.assert_allclose(eager, traced, atol=1e-4)


def test_losses_of_all_stages_count_the_same_classes():
    box = predicting(make_box(class_loss="federated", federated_classes=1), *MOVING)
    outputs = box.outputs(small.pyramid()[:4], PROPOSALS, batch(), training=True, **SIZE)
    found = box.losses(outputs, across=reduction.identity)
    chosen = np.float32([0, 0, 1])  # that of the only object
    for stage, name in zip((outputs, *outputs.later), box.loss_names[::2], strict=True):
        expected = loss.sigmoid_class_loss(stage.class_logits, stage.targets, classes=chosen)
        assert float(found[name]) == float(expected) > 0
    assert "class" in box.loss_names[2]


def test_detect_averages_the_sigmoids_of_the_stages():
    box = predicting(make_box(class_loss="sigmoid"), *[([9, np.log(odds), -50], [0] * 4) for odds in (1, 3, 1 / 3)])
    found = box.detect(small.pyramid()[:4], PROPOSALS, WINDOWS, choices=CHOICES, **SIZE)
    # (1/2 + 3/4 + 1/4) / 3
    np.testing.assert_allclose(np.asarray(found.scores)[0, :2], [0.5, 0.5], atol=1e-6)
    assert np.asarray(found.class_ids)[0, :2].tolist() == [1, 1]
