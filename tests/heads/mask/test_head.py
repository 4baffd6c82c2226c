import numpy as np
import pytest
import tensorflow as tf

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


@pytest.mark.parametrize(("boxes", "seen"), [("proposals", 1), ("ground_truth", 2), ("both", 3)])
def test_outputs_of_objects_that_were_not_sampled_need_their_own_boxes(boxes, seen):
    # two objects, of which only the first has a sampled region
    mask = small.build(mask_train_boxes=boxes).heads["mask"]
    batch = small.batch([[8, 8, 40, 40], [20, 30, 60, 62]], [2, 1])
    outputs = mask.outputs(small.pyramid()[:4], _regions([2, 0]), batch, image_size=(64, 64), training=True)
    assert int(np.asarray(outputs.targets.weights).any(axis=(1, 2)).sum()) == seen
    assert outputs.mask_logits.shape == (seen, 28, 28, 3)


@pytest.mark.parametrize("boxes", ["proposals", "ground_truth", "both"])
def test_outputs_of_fixed_slots_have_the_same_loss(boxes):
    mask = small.build(mask_train_boxes=boxes).heads["mask"]
    batch = small.batch([[8, 8, 40, 40], [20, 30, 60, 62], [0, 0, 0, 0]], [2, 1, 0])
    batch["gt_valid"][0, 2] = False
    losses, counts = [], []
    for fixed in (False, True):
        mask.fixed_slots = fixed
        outputs = mask.outputs(small.pyramid()[:4], _regions([2, 0, 0]), batch, image_size=(64, 64), training=True)
        losses.append(float(mask.losses(outputs, across=reduction.identity)["mrcnn_mask_loss"]))
        counts.append(outputs.mask_logits.shape[0])
    assert losses[0] > 0
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)
    # 6 samples of a third: 1 object region, but at least as many as the sample's object slots
    assert counts[1] == {"proposals": mask.max_objects, "ground_truth": 3, "both": 3 + mask.max_objects}[boxes]


@pytest.mark.parametrize("boxes", ["proposals", "ground_truth"])
def test_outputs_of_a_class_without_masks_train_nothing(boxes):
    mask = small.build(mask_train_boxes=boxes).heads["mask"]
    batch = small.batch([[8, 8, 40, 40]], [2])
    where = {"image_size": (64, 64), "training": True}
    for classes, trains in ((None, True), ((2,), True), ((1,), False), ((), False)):
        mask.mask_classes = classes
        outputs = mask.outputs(small.pyramid()[:4], _regions([2]), batch, **where)
        assert bool(np.asarray(outputs.targets.weights).any()) == trains
        assert (float(mask.losses(outputs, across=reduction.identity)["mrcnn_mask_loss"]) > 0) == trains


def test_outputs_of_crowds_train_no_mask():
    mask = small.build(mask_train_boxes="ground_truth").heads["mask"]
    batch = small.batch([[8, 8, 40, 40]], [0])
    batch["gt_valid"][:], batch["gt_ignore"][:] = False, True
    outputs = mask.outputs(small.pyramid()[:4], _regions([0]), batch, image_size=(64, 64), training=True)
    assert not np.asarray(outputs.targets.weights).any()


def test_outputs_of_own_boxes_are_cut_in_matterports_frame():
    # in either frame the object fills its own box, so its target is full
    for normalization in ("pixels", "minus_one"):
        mask = small.build(mask_train_boxes="ground_truth", box_normalization=normalization).heads["mask"]
        batch = small.batch([[8, 8, 40, 40]], [2])
        outputs = mask.outputs(small.pyramid()[:4], _regions([0]), batch, image_size=(64, 64), training=True)
        assert np.asarray(outputs.targets.masks).min() == 1.0


HOURGLASS = {"mask_head": "hourglass20", "mask_pool_size": 8, "mask_train_boxes": "ground_truth"}


def test_outputs_of_an_hourglass_have_one_mask_for_all_classes():
    mask = small.build(**HOURGLASS).heads["mask"]
    assert mask.class_layers == ()
    batch = small.batch([[8, 8, 40, 40], [20, 30, 60, 62]], [2, 1])
    outputs = mask.outputs(small.pyramid()[:4], _regions([0]), batch, image_size=(64, 64), training=True)
    assert outputs.mask_logits.shape == (2, 16, 16, 1)
    assert outputs.targets.masks.shape == (2, 16, 16)
    swapped = outputs._replace(targets=outputs.targets._replace(class_ids=np.array([1, 2], "int32")))
    one, other = (float(mask.losses(each, across=reduction.identity)["mrcnn_mask_loss"]) for each in (outputs, swapped))
    assert one == other > 0


@pytest.mark.parametrize("valid", [[True, False], [False, False]])
def test_decode_of_an_hourglass(valid):
    mask = small.build(**HOURGLASS).heads["mask"]
    boxes = np.array([[[8, 8, 40, 40], [0, 0, 0, 0]]], "float32")
    found = [
        np.asarray(
            mask.decode(
                small.pyramid()[:4],
                boxes,
                np.array([[class_id, 0]], "int32"),
                valid=np.array([valid]),
                image_size=(64, 64),
            )["masks"]
        )
        for class_id in (1, 2)
    ]
    assert found[0].shape == (1, 2, 16, 16)
    np.testing.assert_array_equal(found[0], found[1])
    assert [bool(masks.any()) for masks in found[0][0]] == valid


def test_outputs_of_an_hourglass_have_the_statistics_of_object_regions_alone():
    # four slots of which two are used twice: each region counts as often as the other
    losses, means = [], []
    for fixed in (False, True):
        mask = small.build(**HOURGLASS).heads["mask"]
        mask.fixed_slots = fixed
        batch = small.batch([[8, 8, 40, 40], [20, 30, 60, 62], [0, 0, 0, 0], [0, 0, 0, 0]], [2, 1, 0, 0])
        batch["gt_valid"][0, 2:] = False
        outputs = mask.outputs(small.pyramid()[:4], _regions([0]), batch, image_size=(64, 64), training=True)
        assert outputs.mask_logits.shape[0] == (4 if fixed else 2)
        losses.append(float(mask.losses(outputs, across=reduction.identity)["mrcnn_mask_loss"]))
        means.append(np.asarray(mask.network.norm.moving_mean))
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    np.testing.assert_allclose(means[1], means[0], rtol=1e-4, atol=1e-6)


def test_outputs_of_an_hourglass_without_objects_have_no_loss_and_are_finite():
    mask = small.build(**HOURGLASS).heads["mask"]
    batch = small.batch([[0, 0, 0, 0]], [0])
    batch["gt_valid"][:] = False
    outputs = mask.outputs(small.pyramid()[:4], _regions([0]), batch, image_size=(64, 64), training=True)
    assert np.isfinite(outputs.mask_logits).all()
    assert float(mask.losses(outputs, across=reduction.identity)["mrcnn_mask_loss"]) == 0.0


def test_outputs_of_an_object_without_area_are_finite():
    mask = small.build(**HOURGLASS).heads["mask"]
    batch = small.batch([[8, 8, 8, 40]], [1])
    outputs = mask.outputs(small.pyramid()[:4], _regions([0]), batch, image_size=(64, 64), training=True)
    assert np.isfinite(float(mask.losses(outputs, across=reduction.identity)["mrcnn_mask_loss"]))


def _points(batch, *points):
    """Adds the points of the first object to a batch, and none of the others."""
    values = np.full((1, batch["gt_boxes"].shape[1], max(len(points), 1), 3), -1, "float32")
    values[0, 0, : len(points)] = np.reshape(points, (-1, 3))
    return {**batch, "gt_mask_points": values, "windows": np.array([[0, 0, 64, 64]], "float32")}


INSIDE = [[10.5, 10.5, 1], [12.5, 30.5, 0], [30.5, 20.5, 1], [39.5, 39.5, 0]]


@pytest.mark.parametrize(
    "settings", [{}, {"class_agnostic_masks": True}, HOURGLASS, {"box_normalization": "minus_one"}]
)
def test_outputs_of_a_head_that_learns_from_points(settings):
    mask = small.build(**settings, mask_supervision="points").heads["mask"]
    assert mask.needs == ("mask_points",)
    batch = _points(small.batch([[8, 8, 40, 40], [20, 30, 60, 62]], [2, 1]), *INSIDE)
    del batch["gt_masks"]  # masks are not needed
    outputs = mask.outputs(small.pyramid()[:4], _regions([2, 0]), batch, image_size=(64, 64), training=True)
    weights = np.asarray(outputs.targets.weights)
    assert weights.sum() == 2  # half of the points of the only object that has some
    assert float(mask.losses(outputs, across=reduction.identity)["mrcnn_mask_loss"]) > 0
    whole = mask.outputs(small.pyramid()[:4], _regions([2, 0]), batch, image_size=(64, 64), training=False)
    assert np.asarray(whole.targets.weights).sum() == 4


@pytest.mark.parametrize("boxes", ["proposals", "ground_truth", "both"])
def test_outputs_of_points_in_fixed_slots_have_the_same_loss(boxes):
    mask = small.build(mask_train_boxes=boxes, mask_supervision="points").heads["mask"]
    batch = _points(small.batch([[8, 8, 40, 40], [20, 30, 60, 62], [0, 0, 0, 0]], [2, 1, 0]), *INSIDE)
    batch["gt_valid"][0, 2] = False
    losses = []
    for fixed in (False, True):
        mask.fixed_slots = fixed
        outputs = mask.outputs(small.pyramid()[:4], _regions([2, 0, 0]), batch, image_size=(64, 64), training=True)
        losses.append(float(mask.losses(outputs, across=reduction.identity)["mrcnn_mask_loss"]))
    assert losses[0] > 0
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)


def test_outputs_of_points_of_a_class_without_masks_train_nothing():
    mask = small.build(mask_supervision="points").heads["mask"]
    batch = _points(small.batch([[8, 8, 40, 40]], [2]), *INSIDE)
    for classes, trains in ((None, True), ((2,), True), ((1,), False)):
        mask.mask_classes = classes
        outputs = mask.outputs(small.pyramid()[:4], _regions([2]), batch, image_size=(64, 64), training=True)
        assert (float(mask.losses(outputs, across=reduction.identity)["mrcnn_mask_loss"]) > 0) == trains


@pytest.mark.parametrize("points", [[], [[50.5, 50.5, 1]], [[10.5, 10.5, -1]]])
def test_outputs_without_a_point_that_counts_have_no_loss_and_a_finite_gradient(points):
    mask = small.build(mask_supervision="points").heads["mask"]
    batch = _points(small.batch([[8, 8, 40, 40]], [2]), *points)
    weights = mask.network.trainable_variables
    with tf.GradientTape() as tape:
        outputs = mask.outputs(small.pyramid()[:4], _regions([2]), batch, image_size=(64, 64), training=True)
        value = mask.losses(outputs, across=reduction.identity)["mrcnn_mask_loss"]
    assert float(value) == 0
    gradients = tape.gradient(value, [weight.value for weight in weights])
    assert all(gradient is None or not np.asarray(gradient).any() for gradient in gradients)
