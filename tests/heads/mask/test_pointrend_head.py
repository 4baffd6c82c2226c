import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.mask.head import Chosen
from mrcnn.heads.mask.pointrend_head import POINT_LOSS, choose_points
from mrcnn.ops import reduction, sampling
from mrcnn.structures import RoiTargets
from tests.heads import parts as small

POINTREND = {"mask_head": "pointrend", "mask_pool_size": 4}  # coarse masks of 2 x 2, 16 points, masks of 64 x 64
SIZE = {"image_size": (64, 64)}


def build(**settings):
    return small.build(**POINTREND, **settings).heads["mask"]


@pytest.fixture(scope="module")
def mask():
    return build()


def _regions(class_ids, box=(8, 8, 40, 40)):
    count = len(class_ids)
    return RoiTargets(
        rois=np.tile(np.array(box, "float32"), (1, count, 1)),
        class_ids=np.array([class_ids], "int32"),
        deltas=np.zeros((1, count, 4), "float32"),
        matched_idx=np.zeros((1, count), "int32"),
        valid=np.ones((1, count), bool),
    )


def losses_of(mask, regions, batch, *, training=True):
    outputs = mask.outputs(small.pyramid()[:4], regions, batch, training=training, **SIZE)
    return {name: float(value) for name, value in mask.losses(outputs, across=reduction.identity).items()}, outputs


@pytest.mark.parametrize(("class_ids", "seen"), [([2, 1, 0], 2), ([0, 0, 0], 1)])
def test_outputs_see_object_regions_and_at_least_one(mask, class_ids, seen):
    losses, outputs = losses_of(mask, _regions(class_ids), small.batch([[8, 8, 40, 40]], [2]))
    assert outputs.mask_logits.shape == (seen, 2, 2, 3)
    assert outputs.point_logits.shape == outputs.points.labels.shape == (seen, 16)
    assert np.asarray(outputs.points.labels).min() == 1.0  # the region is the object, whose mask is full
    assert tuple(losses) == mask.loss_names == ("mrcnn_mask_loss", POINT_LOSS)
    assert all((value > 0) == any(class_ids) for value in losses.values())


@pytest.mark.parametrize("boxes", ["proposals", "ground_truth", "both"])
def test_outputs_of_fixed_slots_have_the_same_losses(boxes):
    mask, found = build(mask_train_boxes=boxes), []
    batch = small.batch([[8, 8, 40, 40], [20, 30, 60, 62], [0, 0, 0, 0]], [2, 1, 0])
    batch["gt_masks"] = np.random.default_rng(0).integers(0, 256, (1, 3, 8, 8)).astype("uint8")
    batch["gt_valid"][0, 2] = False
    for fixed in (False, True):
        mask.fixed_slots = fixed
        found.append(losses_of(mask, _regions([2, 0, 0]), batch)[0])
    assert min(found[0].values()) > 0
    assert found[1] == pytest.approx(found[0], rel=1e-6)


def test_outputs_of_a_class_without_masks_train_nothing():
    mask = build()
    for classes, trains in ((None, True), ((2,), True), ((1,), False), ((), False)):
        mask.mask_classes = classes
        losses, _ = losses_of(mask, _regions([2]), small.batch([[8, 8, 40, 40]], [2]))
        assert [value > 0 for value in losses.values()] == [trains] * 2


def test_outputs_without_objects_have_no_loss_and_no_gradient():
    mask = build(mask_train_boxes="ground_truth")
    batch = small.batch([[0, 0, 0, 0]], [0])
    batch["gt_valid"][:] = False
    with tf.GradientTape() as tape:
        outputs = mask.outputs(small.pyramid()[:4], _regions([0]), batch, training=True, **SIZE)
        total = sum(mask.losses(outputs, across=reduction.identity).values())
    assert float(total) == 0
    gradients = tape.gradient(total, [weight.value for weight in mask.network.trainable_variables])
    assert all(gradient is None or not np.asarray(gradient).any() for gradient in gradients)


def test_outputs_of_an_object_without_area_are_finite(mask):
    losses, _ = losses_of(build(mask_train_boxes="ground_truth"), _regions([0]), small.batch([[8, 8, 8, 40]], [1]))
    assert np.isfinite(list(losses.values())).all()


def test_outputs_with_one_mask_for_all_classes_train_it_by_every_class():
    mask = build(class_agnostic_masks=True)
    found = [losses_of(mask, _regions([name]), small.batch([[8, 8, 40, 40]], [name])) for name in (1, 2)]
    assert found[0][1].mask_logits.shape == (1, 2, 2, 1)
    assert found[0][0] == found[1][0]


def chosen_of(regions):
    slots = regions.class_ids.shape[1]
    image = np.zeros(slots, "int32")
    return Chosen(regions, (image, np.arange(slots, dtype="int32")), regions.rois[0], image)


def test_choose_points_reads_labels_from_the_mask_of_the_object():
    # the object covers the left half of its box, from x 8 to 24; the grid's values change from x 22 to x 26
    batch = small.batch([[8, 8, 40, 40]], [2])
    batch["gt_masks"][..., 4:] = 0
    found = choose_points(np.zeros((1, 2, 2), "float32"), chosen_of(_regions([2])), batch, count=16)
    x = 8 + np.asarray(found.places)[..., 0] * 32
    np.testing.assert_allclose(found.labels, np.clip((26 - x) / 4, 0, 1), atol=1e-5)
    assert np.asarray(found.weights).all()
    assert np.asarray(found.class_ids).tolist() == [2]


def test_choose_points_leaves_out_background_and_neutral_pixels():
    batch = small.batch([[8, 8, 40, 40]], [2])
    batch["neutral"][:, :, 24:] = True
    found = choose_points(np.zeros((2, 2, 2), "float32"), chosen_of(_regions([2, 0])), batch, count=16)
    places, weights = np.asarray(found.places), np.asarray(found.weights)
    assert 0 < weights[0].sum() < 16
    np.testing.assert_array_equal(weights[0], places[0, :, 0] < 0.5)
    assert not weights[1].any()
    np.testing.assert_array_equal(found.drawn, weights)


def test_choose_points_depend_on_the_seed_and_the_slot_alone():
    coarse, batch = np.zeros((2, 2, 2), "float32"), small.batch([[8, 8, 40, 40]], [2])
    first, second = np.asarray(choose_points(coarse, chosen_of(_regions([2, 2])), batch, count=16).places)
    # of equal uncertainty the first 12 candidates are taken, then the 4 uniform points; 52 numbers of two are a slot's
    drawn = np.asarray(sampling.random_priority(batch["seeds"], 208, salt=sampling.PLACE_SALT)).reshape(2, 52, 2)
    np.testing.assert_array_equal(first, np.concatenate([drawn[0, :12], drawn[0, 48:]]))
    np.testing.assert_array_equal(second, np.concatenate([drawn[1, :12], drawn[1, 48:]]))
    # the same slot beside other regions, and the same image in another place of the batch
    regions = _regions([2, 2])
    alone = Chosen(regions, (np.int32([0]), np.int32([1])), regions.rois[0, 1:], np.int32([0]))
    np.testing.assert_array_equal(choose_points(coarse[1:], alone, batch, count=16).places[0], second)
    batch["seeds"] = np.int32([2])
    other = choose_points(coarse, chosen_of(_regions([2, 2])), batch, count=16).places
    assert not np.isin(other, drawn).any()


def test_losses_of_points_worked_numbers(mask):
    _, outputs = losses_of(mask, _regions([2, 1]), small.batch([[8, 8, 40, 40]], [2]))
    points = outputs.points._replace(
        labels=np.float32([[1, 0], [1, 1]]), weights=np.float32([[1, 1], [1, 0]]), drawn=np.float32([[1, 1], [1, 0]])
    )
    outputs = outputs._replace(point_logits=np.float32([[0, np.log(3)], [-np.log(3), 50]]), points=points)
    # -log 0.5, -log(1 - 3/4), -log 1/4 over three points; the fourth does not count
    expected = (np.log(2) + 2 * np.log(4)) / 3
    assert float(mask.losses(outputs, across=reduction.identity)[POINT_LOSS]) == pytest.approx(expected, rel=1e-5)
    shared = mask.losses(outputs, across=lambda count: 2 * count)  # two devices with as many points each
    assert float(shared[POINT_LOSS]) == pytest.approx(expected / 2, rel=1e-5)


def points_of(batch):
    values = np.float32([[[[10.5, 10.5, 1], [12.5, 30.5, 0], [30.5, 20.5, 1], [39.5, 39.5, 0]]]])
    return {**batch, "gt_mask_points": values, "windows": np.array([[0, 0, 64, 64]], "float32")}


def test_outputs_of_a_head_that_learns_from_labelled_points_use_them_for_both_losses():
    mask = build(mask_supervision="points")
    batch = points_of(small.batch([[8, 8, 40, 40]], [2]))
    del batch["gt_masks"]  # masks are not needed
    losses, outputs = losses_of(mask, _regions([2]), batch)
    assert np.asarray(outputs.points.weights).sum() == 2  # half of the points
    assert outputs.points is outputs.targets
    assert min(losses.values()) > 0
    assert np.asarray(losses_of(mask, _regions([2]), batch, training=False)[1].points.weights).sum() == 4


@pytest.mark.parametrize(
    "name", ["mrcnn_mask_point", "mrcnn_mask_point_fc1", "mrcnn_mask_coarse", "mrcnn_mask_coarse_fc2"]
)
def test_losses_have_the_gradient_of_small_steps(name):
    """The points are labelled, so that a step does not change which are chosen."""
    mask = build(mask_supervision="points", initial_values="balanced")
    batch = points_of(small.batch([[8, 8, 40, 40]], [2]))
    weight = next(each for each in mask.network.trainable_variables if each.path.endswith(f"{name}/kernel"))

    def total():
        outputs = mask.outputs(small.pyramid()[:4], _regions([2]), batch, training=False, **SIZE)
        return sum(mask.losses(outputs, across=reduction.identity).values())

    with tf.GradientTape() as tape:
        value = total()
    slope = np.asarray(tape.gradient(value, weight.value))
    direction, start = slope / np.linalg.norm(slope), np.asarray(weight)
    step, around = 2e-3, []
    for sign in (1, -1):
        weight.assign(start + sign * step * direction)
        around.append(float(total()))
    assert (around[0] - around[1]) / (2 * step) == pytest.approx(np.linalg.norm(slope), rel=2e-2)


def test_losses_of_chosen_points_reach_every_weight_and_the_finest_map(mask):
    maps = [tf.constant(each) for each in small.pyramid()[:4]]
    weights = [weight.value for weight in mask.network.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(maps)
        batch = small.batch([[8, 8, 40, 40]], [2])
        outputs = mask.outputs(maps, _regions([2, 2]), batch, training=True, **SIZE)
        total = sum(mask.losses(outputs, across=reduction.identity).values())
    gradients = tape.gradient(total, [*weights, *maps])
    assert all(np.asarray(gradient).any() for gradient in gradients[:-3])
    assert gradients[-3:] == [None] * 3  # P3 to P5 are not read


@pytest.mark.parametrize("valid", [[True, False], [False, False]])
def test_decode_of_valid_detections_alone(mask, valid):
    boxes = np.array([[[8, 8, 40, 40], [0, 0, 0, 0]]], "float32")
    given = {"valid": np.array([valid]), **SIZE}
    fields = mask.decode(small.pyramid()[:4], boxes, np.array([[1, 0]], "int32"), **given)
    masks = np.asarray(fields["masks"])
    assert tuple(fields) == mask.gives
    assert masks.shape == (1, 2, 64, 64)
    assert [bool(each.any()) for each in masks[0]] == valid
    assert masks.max() <= 1


@pytest.mark.parametrize("agnostic", [False, True])
def test_decode_of_fixed_slots_and_of_more_regions_than_a_chunk_has_the_same_masks(agnostic):
    mask = build(class_agnostic_masks=agnostic)
    random = np.random.default_rng(0)
    start = random.uniform(0, 30, (2, 9, 2))
    boxes = np.concatenate([start, start + random.uniform(4, 30, (2, 9, 2))], axis=-1).astype("float32")
    class_ids, valid = random.integers(1, 3, (2, 9)).astype("int32"), np.arange(9)[None] < np.int32([[9], [4]])
    found = []
    for fixed in (False, True):
        mask.fixed_slots = fixed
        found.append(mask.decode(small.pyramid(2)[:4], boxes, class_ids, valid=valid, **SIZE)["masks"])
    np.testing.assert_allclose(found[1], found[0], atol=1e-4)
    swapped = mask.decode(small.pyramid(2)[:4], boxes, 3 - class_ids, valid=valid, **SIZE)["masks"]
    assert (np.abs(np.asarray(swapped) - np.asarray(found[1])).max() < 1e-6) == agnostic


def test_decode_refines_masks_where_the_point_network_differs_from_the_interpolation(mask):
    # at cells that were predicted last the mask is what the network says of their middles
    maps, roi = small.pyramid()[:4], np.float32([[8, 8, 40, 40]])
    masks = mask.decode(maps, roi[None], np.int32([[1]]), valid=np.array([[True]]), **SIZE)["masks"]
    coarse = mask.network(mask.features(maps, roi, np.int32([0]), image_size=(64, 64)))
    middles = (np.arange(64, dtype="float32") + 0.5) / 64
    places = np.stack([np.tile(middles, 64), np.repeat(middles, 64)], axis=-1)[None]
    fine = mask.features.at(maps, roi, np.int32([0]), places=places, image_size=(64, 64))
    everywhere = 1 / (1 + np.exp(-np.asarray(mask.network.at(fine, coarse, places))[0, :, 1]))
    same = np.isclose(np.asarray(masks).ravel(), everywhere, atol=1e-5)
    assert same.sum() >= 64  # (2 x 4) ** 2 are predicted in each step


def test_decode_does_not_depend_on_matterports_frame():
    boxes, given = np.array([[[8, 8, 40, 40]]], "float32"), {"valid": np.array([[True]]), **SIZE}
    found = [
        build(box_normalization=frame).decode(small.pyramid()[:4], boxes, np.int32([[1]]), **given)["masks"]
        for frame in ("pixels", "minus_one")
    ]
    np.testing.assert_array_equal(found[0], found[1])
