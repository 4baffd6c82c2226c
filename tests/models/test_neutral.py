"""Neutral pixels train nothing: the losses' gradients at everything that lies on them are exactly zero."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.data.batching import Shapes, make_example
from mrcnn.data.rasterize import from_masks
from mrcnn.models.families.matterport import Matterport
from mrcnn.models.mask_rcnn import Outputs

SIDE = 128
OBJECT = (16, 16, 64, 64)
NEUTRAL = (48, 8, 120, 120)  # over the object's lower third and most of what lies below it
SETTINGS = {
    "backbone": "resnet50",
    "batch_norm": "trained",
    "anchor_sizes": [16, 32, 64, 96, 128],
    "fpn_channels": 16,
    "rpn_channels": 16,
    "box_fc_channels": 16,
    "pre_nms_topk": 300,
    "post_nms_topk_train": 100,
    "rpn_samples": 4096,
    "roi_samples": 100,
    "roi_add_gt_boxes": True,
    "max_gt_instances": 4,
}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return Matterport(num_classes=2, settings=SETTINGS)


def _batch(*, neutral: bool):
    """One image with an object, and where asked the neutral region."""
    boxes = [OBJECT, NEUTRAL][: 1 + neutral]
    instances = from_masks(
        masks=[np.ones((y2 - y1, x2 - x1), bool) for y1, x1, y2, x2 in boxes],
        corners=[box[:2] for box in boxes],
        class_ids=[1, 0][: len(boxes)],
        ignore=[False, True][: len(boxes)],
    )
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    shapes = Shapes(min_dim=SIDE, max_dim=SIDE, channels=3, max_gt_instances=4, gt_mask_size=56)
    example = make_example(image, instances, shapes=shapes, image_id=0, seed=1)
    return {name: tf.constant(value[None]) for name, value in example.items()}


def _gradients(model, batch):
    """Computes `Outputs`, and the gradients of all losses by objectness, class and mask logits."""
    outputs = model(batch, training=True)
    logits = (outputs.rpn.objectness_logits, outputs.box.class_logits, outputs.heads[0].mask_logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        watched = Outputs(
            outputs.rpn._replace(objectness_logits=logits[0]),
            outputs.box._replace(class_logits=logits[1]),
            (outputs.heads[0]._replace(mask_logits=logits[2]),),
        )
        total, _ = model.losses_of(watched)
    return outputs, [gradient.numpy() for gradient in tape.gradient(total, logits)]


def _is_on_neutral(boxes):
    """Finds which boxes have an IoU of .001 with the neutral rectangle or lie in it by half."""
    sides = np.clip(np.minimum(boxes[:, 2:], NEUTRAL[2:]) - np.maximum(boxes[:, :2], NEUTRAL[:2]), 0, None)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    shared, region = sides.prod(axis=1), (NEUTRAL[2] - NEUTRAL[0]) * (NEUTRAL[3] - NEUTRAL[1])
    return (shared >= 0.001 * (area + region - shared)) | (shared >= 0.5 * area)


def _on_neutral(rois, size):
    """Marks the cells `[P, M, M]` of regions that reach over a border of the neutral rectangle."""
    steps = np.arange(size + 1) / size
    edges = [rois[:, axis, None] + (rois[:, axis + 2] - rois[:, axis])[:, None] * steps for axis in (0, 1)]
    rows, columns = (
        (edge[:, 1:] > NEUTRAL[axis]) & (edge[:, :-1] < NEUTRAL[axis + 2]) for axis, edge in enumerate(edges)
    )
    return rows[:, :, None] & columns[:, None, :]


@pytest.mark.parametrize("neutral", [True, False])
def test_masks_learn_nothing_from_neutral_pixels(model, neutral):
    outputs, (_, _, gradient) = _gradients(model, _batch(neutral=neutral))
    targets = outputs.box.targets
    is_object = targets.class_ids.numpy()[0] > 0
    rois = targets.rois.numpy()[0][is_object]
    by_cell = np.abs(gradient[: len(rois), :, :, 1])  # object regions come first
    on = _on_neutral(rois, by_cell.shape[1])
    assert on.any(axis=(1, 2)).any()
    assert (~on).any()
    assert (by_cell[~on] > 0).all()
    assert (by_cell[on] == 0).all() if neutral else (by_cell[on] > 0).all()


@pytest.mark.parametrize("neutral", [True, False])
def test_anchors_on_neutral_pixels_are_no_background(model, neutral):
    batch = _batch(neutral=neutral)
    outputs, (gradient, _, _) = _gradients(model, batch)
    anchors = model.rpn.anchors([tf.zeros((1, SIDE // 2**level, SIDE // 2**level, 1)) for level in range(2, 7)])
    on = _is_on_neutral(np.asarray(anchors)) & (outputs.rpn.targets.state.numpy()[0] != 1)
    moved = np.abs(gradient[0]).max(axis=1) > 0
    assert moved[~on].any()
    assert moved[on].any() != neutral


@pytest.mark.parametrize("neutral", [True, False])
def test_regions_on_neutral_pixels_are_no_background(model, neutral):
    outputs, (_, gradient, _) = _gradients(model, _batch(neutral=neutral))
    rois, class_ids = outputs.box.targets.rois.numpy()[0], outputs.box.targets.class_ids.numpy()[0]
    on = _is_on_neutral(rois) & (class_ids == 0)
    moved = np.abs(gradient[0]).max(axis=1) > 0
    assert moved[~on].any()
    assert moved[on].any() != neutral
