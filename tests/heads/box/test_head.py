import numpy as np
import pytest

from mrcnn.heads.box import head, loss
from mrcnn.heads.box.decode import Found
from mrcnn.ops import reduction
from mrcnn.structures import Choices, Proposals
from tests.heads import parts as small

REGIONS = np.array([[[8, 8, 40, 40], [0, 0, 20, 20], [0, 0, 0, 0]]], "float32")
CHOICES = Choices(score_threshold=0.0, detections_per_image=4)
PROPOSALS = Proposals(REGIONS, np.array([[0.9, 0.8, 0]], "float32"), np.array([[True, True, False]]))


@pytest.fixture(scope="module")
def box():
    return small.build(roi_add_gt_boxes=False).box


def test_outputs_belong_to_the_sampled_regions(box):
    maps = small.pyramid()[:4]
    outputs = box.outputs(maps, PROPOSALS, small.batch([[8, 8, 40, 40]], [2]), image_size=(64, 64), training=True)
    assert outputs.class_logits.shape == (1, 6, 3)
    assert outputs.box_deltas.shape == (1, 6, 3, 4)
    assert np.asarray(outputs.targets.class_ids)[0].tolist() == [2, 0, 0, 0, 0, 0]  # the region that is the object
    losses = box.losses(outputs, across=reduction.identity)
    assert tuple(losses) == box.loss_names


def test_detect_clips_to_the_window_and_fills_with_zeros(box):
    windows = np.array([[4, 4, 30, 30]], "float32")
    found = box.detect(small.pyramid()[:4], PROPOSALS, windows, image_size=(64, 64), choices=CHOICES)
    valid, boxes = np.asarray(found.valid)[0], np.asarray(found.boxes)[0]
    assert valid.any()
    assert boxes[valid].min() >= 4
    assert boxes[valid].max() <= 30
    assert not boxes[~valid].any()


def test_detect_in_matterports_frame_has_boxes_in_pixels_but_for_unused_slots(monkeypatch):
    box = small.build(box_normalization="minus_one").box
    boxes, seen = np.array([[[1, 2, 3, 4], [0, 0, 0, 0]]], "float32"), []

    def detections(proposals, *rest, windows, choices):
        seen.extend([np.asarray(proposals.boxes)[0, :2].tolist(), np.asarray(windows).tolist()])
        return Found(boxes, np.array([[1, 0]]), np.array([[0.5, 0]]), np.array([[True, False]]))

    monkeypatch.setattr(box, "detections", detections)
    windows = np.array([[0, 0, 64, 60]], "float32")
    found = box.detect(small.pyramid()[:4], PROPOSALS, windows, image_size=(64, 64), choices=CHOICES)
    assert seen == [[[8, 8, 39, 39], [0, 0, 19, 19]], [[0, 0, 63, 59]]]
    assert np.asarray(found.boxes).tolist() == [[[1, 2, 4, 5], [0, 0, 0, 0]]]


def test_outputs_in_matterports_frame_have_regions_in_pixels():
    box = small.build(box_normalization="minus_one", roi_add_gt_boxes=False).box
    batch = small.batch([[8, 8, 40, 40]], [2])
    outputs = box.outputs(small.pyramid()[:4], PROPOSALS, batch, image_size=(64, 64), training=True)
    assert np.asarray(outputs.targets.rois)[0, 0].tolist() == [8, 8, 40, 40]
    assert np.asarray(outputs.targets.deltas)[0, 0].tolist() == [0, 0, 0, 0]


def test_by_slot_splits_regions_by_image_in_order():
    logits, deltas = np.arange(12.0).reshape(6, 2), np.arange(48.0).reshape(6, 2, 4)
    by_image = head.by_slot((logits, deltas), slots=3)
    assert np.asarray(by_image[0]).tolist() == [logits[:3].tolist(), logits[3:].tolist()]
    assert np.asarray(by_image[1]).tolist() == [deltas[:3].tolist(), deltas[3:].tolist()]


def test_features_of_regions_are_those_of_their_own_image(box):
    maps = [np.concatenate([np.zeros_like(values), np.ones_like(values)]) for values in small.pyramid()[:4]]
    found = np.asarray(box.features_of(maps, np.concatenate([REGIONS] * 2)[:, :2], image_size=(64, 64)))
    assert found.shape == (4, 7, 7, small.CHANNELS)
    assert found.mean(axis=(1, 2, 3)).tolist() == [0, 0, 1, 1]


def test_losses_of_stage_have_its_names(box):
    maps = small.pyramid()[:4]
    outputs = box.outputs(maps, PROPOSALS, small.batch([[8, 8, 40, 40]], [2]), image_size=(64, 64), training=True)
    first = box.losses(outputs, across=reduction.identity)
    third = box.losses_of_stage(outputs, 3, across=reduction.identity)
    assert list(third) == ["mrcnn_class_loss_stage3", "mrcnn_bbox_loss_stage3"]
    assert [float(value) for value in third.values()] == [float(value) for value in first.values()]


def test_losses_count_only_the_classes_that_the_federated_loss_chooses():
    box = small.build(roi_add_gt_boxes=False, class_loss="federated", federated_classes=1).box
    fields = small.batch([[8, 8, 40, 40]], [2])
    outputs = box.outputs(small.pyramid()[:4], PROPOSALS, fields, image_size=(64, 64), training=True)
    [found, _] = box.losses(outputs, across=reduction.identity).values()
    how = {"across": reduction.identity}
    own = loss.sigmoid_class_loss(outputs.class_logits, outputs.targets, classes=np.float32([0, 0, 1]), **how)
    assert float(found) == float(own) > 0
    # without objects one class is drawn by the numbers of images, which class 2 has none of
    box.class_counts = (0, 5, 0)
    nothing = {**fields, "gt_valid": np.zeros((1, 1), bool), "gt_class_ids": np.zeros((1, 1), "int32")}
    outputs = box.outputs(small.pyramid()[:4], PROPOSALS, nothing, image_size=(64, 64), training=True)
    [found, _] = box.losses(outputs, across=reduction.identity).values()
    first = loss.sigmoid_class_loss(outputs.class_logits, outputs.targets, classes=np.float32([0, 1, 0]), **how)
    assert float(found) == float(first) > 0


@pytest.mark.parametrize("name", ["softmax", "sigmoid"])
def test_losses_of_all_classes_choose_none(name):
    box = small.build(roi_add_gt_boxes=False, class_loss=name).box
    fields = small.batch([[8, 8, 40, 40]], [2])
    outputs = box.outputs(small.pyramid()[:4], PROPOSALS, fields, image_size=(64, 64), training=True)
    assert outputs.classes is None
    compute = loss.mrcnn_class_loss if name == "softmax" else loss.sigmoid_class_loss
    [found, _] = box.losses(outputs, across=reduction.identity).values()
    assert float(found) == float(compute(outputs.class_logits, outputs.targets))
