import numpy as np
import pytest

from mrcnn.ops import reduction
from mrcnn.structures import RoiTargets
from tests.heads import parts as small


@pytest.fixture(scope="module")
def mask():
    return small.build().heads["mask"]


def _regions(class_ids):
    count = len(class_ids)
    return RoiTargets(
        rois=np.tile(np.array([8, 8, 40, 40], "float32"), (1, count, 1)),
        class_ids=np.array([class_ids], "int32"),
        deltas=np.zeros((1, count, 4), "float32"),
        matched_idx=np.zeros((1, count), "int32"),
        valid=np.ones((1, count), bool),
    )


@pytest.mark.parametrize(("class_ids", "seen"), [([2, 1, 0], 2), ([0, 0, 0], 1)])
def test_outputs_see_object_regions_and_at_least_one(mask, class_ids, seen):
    outputs = mask.outputs(
        small.pyramid()[:4], _regions(class_ids), small.batch([[8, 8, 40, 40]], [2]), image_size=(64, 64), training=True
    )
    assert outputs.mask_logits.shape == (seen, 28, 28, 3)
    assert np.asarray(outputs.targets.masks).min() == 1.0  # the region is the object
    losses = mask.losses(outputs, across=reduction.identity)
    assert tuple(losses) == mask.loss_names
    assert (float(losses["mrcnn_mask_loss"]) > 0) == any(class_ids)


def test_decode_gives_masks_to_detections_alone(mask):
    boxes = np.array([[[8, 8, 40, 40], [0, 0, 0, 0]]], "float32")
    fields = mask.decode(
        small.pyramid()[:4], boxes, np.array([[1, 0]], "int32"), valid=np.array([[True, False]]), image_size=(64, 64)
    )
    masks = np.asarray(fields["masks"])
    assert tuple(fields) == mask.gives
    assert masks.shape == (1, 2, 28, 28)
    assert 0 < masks[0, 0].min() < masks[0, 0].max() < 1
    assert not masks[0, 1].any()


def test_decode_of_no_detection(mask):
    fields = mask.decode(
        small.pyramid()[:4], np.zeros((1, 3, 4), "float32"), np.zeros((1, 3), "int32"), valid=np.zeros((1, 3), bool),
        image_size=(64, 64),
    )  # fmt: skip
    assert np.asarray(fields["masks"]).shape == (1, 3, 28, 28)
    assert not np.asarray(fields["masks"]).any()


def test_outputs_and_decode_convert_boxes_to_matterports_frame(monkeypatch):
    mask, seen = small.build(box_normalization="minus_one").heads["mask"], []
    cut = mask.features.call

    def features(pyramid, rois, *rest, **more):
        seen.append((np.asarray(rois)[0].tolist(), more["extent"]))
        return cut(pyramid, rois, *rest, **more)

    monkeypatch.setattr(mask.features, "call", features)
    maps, boxes, size = small.pyramid()[:4], np.array([[[8, 8, 40, 40]]], "float32"), {"image_size": (64, 64)}
    mask.outputs(maps, _regions([2]), small.batch([[8, 8, 40, 40]], [2]), training=True, **size)
    mask.decode(maps, boxes, np.array([[1]], "int32"), valid=np.array([[True]]), **size)
    assert seen == [([8, 8, 39, 39], (63, 63))] * 2
