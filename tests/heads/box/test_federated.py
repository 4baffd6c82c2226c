import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.box import federated
from tests.traced import both

CLASSES = 6


def batch(class_ids, seeds, valid=None):
    ids = np.int32(class_ids)
    return {
        "gt_class_ids": ids,
        "gt_valid": np.array(ids > 0 if valid is None else valid),
        "seeds": np.array(seeds, "int32"),
    }


def chosen(fields, *, count, counts=None, classes=CLASSES):
    local = federated.of_batch(fields, classes)
    mask = np.asarray(federated.choose(local, federated.log_weights(counts, classes), count=count))
    assert set(mask.tolist()) <= {0.0, 1.0}
    return np.flatnonzero(mask).tolist()


def test_of_batch_counts_the_objects_of_each_class():
    fields = batch([[2, 2, 5], [1, 2, 0]], [3, 4], valid=[[True, True, False], [True, True, False]])
    local = federated.of_batch(fields, CLASSES)
    assert np.asarray(local.objects)[1:].tolist() == [1, 3, 0, 0, 0]  # the slot of class 5 is not valid
    assert local.random.dtype == tf.float64
    assert (np.asarray(local.random) >= 0).all()
    assert (np.asarray(local.random) < 2).all()


def test_choose_has_the_classes_of_the_objects_and_others_up_to_the_count():
    for seed in range(20):
        found = chosen(batch([[2, 2, 0]], [seed]), count=3)
        assert len(found) == 3
        assert 2 in found
        assert 0 not in found
    assert chosen(batch([[1, 3, 5]], [0]), count=1) == [1, 3, 5]  # all of the objects' classes count
    assert chosen(batch([[1, 3, 5]], [0]), count=3) == [1, 3, 5]
    assert chosen(batch([[0, 0]], [0]), count=50) == [1, 2, 3, 4, 5]
    assert len(chosen(batch(np.zeros((1, 0)), [0]), count=2)) == 2


def test_choose_never_draws_a_class_without_images():
    counts = [100, 0, 7, 0, 3, 0]
    assert chosen(batch([[0]], [1]), count=5, counts=counts) == [2, 4]
    assert chosen(batch([[3]], [1]), count=5, counts=counts) == [2, 3, 4]  # but an object of it counts
    assert chosen(batch([[0]], [1]), count=2, counts=[0] * 6) == []


def test_choose_draws_without_replacement_by_the_root_of_the_counts():
    # counts 1, 4 and 9: chances 1/6, 2/6 and 3/6. Two of three are drawn, one after the other:
    # 1/6 + 1/3 x (1/6)/(4/6) + 1/2 x (1/6)/(3/6) = 5/12
    # 1/3 + 1/6 x (1/3)/(5/6) + 1/2 x (1/3)/(3/6) = 11/15
    # 1/2 + 1/6 x (1/2)/(5/6) + 1/3 x (1/2)/(4/6) = 17/20
    chances = federated.log_weights([50, 1, 4, 9], 4)
    draws = 4000

    @tf.function(input_signature=[tf.TensorSpec([1], tf.int32)])
    def draw(seeds):
        fields = {"gt_class_ids": tf.zeros((1, 1), tf.int32), "gt_valid": tf.zeros((1, 1), tf.bool), "seeds": seeds}
        return federated.choose(federated.of_batch(fields, 4), chances, count=2)

    share = sum(np.asarray(draw(tf.constant([seed]))) for seed in range(draws)) / draws
    # the standard error is at most 0.5 / sqrt(4000) = 0.008
    np.testing.assert_allclose(share, [0, 5 / 12, 11 / 15, 17 / 20], atol=0.03)


def test_choose_is_the_same_on_two_devices_and_in_any_order_of_the_images():
    ids, seeds = np.int32([[2, 0], [0, 0], [4, 2], [1, 1]]), np.int32([11, 12, 13, 14])
    chances = federated.log_weights([0, 5, 5, 100, 7, 9, 3, 2], 8)
    whole = federated.of_batch(batch(ids, seeds), 8)
    expected = np.asarray(federated.choose(whole, chances, count=5))
    assert expected.sum() == 5
    halves = [federated.of_batch(batch(ids[part], seeds[part]), 8) for part in (slice(0, 2), slice(2, 4))]
    for own, other in (halves, halves[::-1]):
        sums = iter([own.objects + other.objects, own.random + other.random])
        found = federated.choose(own, chances, count=5, across=lambda value, sums=sums: next(sums))
        assert np.asarray(found).tolist() == expected.tolist()
    order = [2, 0, 3, 1]
    again = federated.choose(federated.of_batch(batch(ids[order], seeds[order]), 8), chances, count=5)
    assert np.asarray(again).tolist() == expected.tolist()
    others = {tuple(np.asarray(federated.choose(federated.of_batch(batch(ids, seeds + step), 8), chances, count=5)))
              for step in range(10)}  # fmt: skip
    assert len(others) > 1  # other seeds draw other classes


def test_choose_traced_is_choose_eager():
    def choose(ids, valid, seeds):
        local = federated.of_batch({"gt_class_ids": ids, "gt_valid": valid, "seeds": seeds}, CLASSES)
        return federated.choose(local, federated.log_weights(None, CLASSES), count=3)

    fields = batch([[2, 4], [0, 0]], [5, 6])
    both(choose, fields["gt_class_ids"], fields["gt_valid"], fields["seeds"], unknown_batch=True)


def test_log_weights_are_half_the_logarithms_of_the_counts():
    assert federated.log_weights([7, 1, 4, 0], 4).tolist() == [-np.inf, 0.0, pytest.approx(np.log(2)), -np.inf]
    assert federated.log_weights(None, 3).tolist() == [-np.inf, 0.0, 0.0]
    with pytest.raises(ValueError, match=r"^`counts` must have one number for each of 3 classes, got 2$"):
        federated.log_weights([0, 1], 3)
