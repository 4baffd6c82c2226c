import numpy as np
import pytest

from mrcnn.data import order, repeat
from mrcnn.structures import Sample


def sample(*class_ids, ignore=None):
    ignored = (False,) * len(class_ids) if ignore is None else ignore
    return Sample("ds/a.png", "a.png", class_ids, class_ids, ignored)


def test_image_factors_of_the_reference_case():
    # detectron2, tests/data/test_sampler.py: classes {0, 1}, {0}, {} and threshold 0.5; here classes count from 1.
    # class 1 is in 2/3 of the images, class 2 in 1/3: sqrt(0.5 / (1/3)) = 1.2247...
    samples = [sample(1, 2), sample(1), sample()]
    expected = [1.224744871391589, 1.0, 1.0]
    assert repeat.image_factors(samples, threshold=0.5).tolist() == pytest.approx(expected)


def test_image_counts_counts_an_image_once_and_no_ignored_object():
    samples = [sample(1, 1, 2), sample(2, 0, ignore=(False, True)), sample(3, 1, ignore=(True, False)), sample()]
    assert repeat.image_counts(samples) == {1: 2, 2: 2}
    assert repeat.image_counts([]) == {}
    # a crowd of class 3 is no object, so nothing is known of the class
    assert repeat.image_factors(samples, threshold=1).tolist() == pytest.approx([2**0.5, 2**0.5, 2**0.5, 1])


def test_class_factors_is_one_from_the_threshold_on():
    found = repeat.class_factors({1: 1, 2: 4, 3: 25, 4: 100}, images=100, threshold=0.25)
    assert found == {1: 5.0, 2: 2.5, 3: 1.0, 4: 1.0}  # sqrt(0.25 / 0.01) and sqrt(0.25 / 0.04)


@pytest.mark.parametrize(("factors", "length"), [([1.0] * 4, 4), ([1.25, 1.0], 3), ([1.5, 1.5], 3), ([2.5], 3)])
def test_epoch_length_is_the_sum_rounded_up(factors, length):
    assert repeat.epoch_length(np.array(factors)) == length
    assert repeat.epoch_length(np.array(factors) + 1e-12) == length  # the error of a sum is no image


def test_rounded_worked_case():
    # 1.5 + 1.25 + 1.25 = 4; the parts end at 1.5, 2.75 and 4
    factors = np.array([1.5, 1.25, 1.25])
    assert repeat.rounded(factors, offset=0.0).tolist() == [1, 1, 2]  # floors 1, 2, 4
    assert repeat.rounded(factors, offset=0.25).tolist() == [1, 2, 1]  # floors of 1.75, 3, 4.25
    assert repeat.rounded(factors, offset=0.5).tolist() == [2, 1, 1]  # floors of 2, 3.25, 4.5
    # scaled by 3 / 2.5: 1.5 and 1.5
    assert repeat.rounded(np.array([1.25, 1.25]), offset=0.5).tolist() == [2, 1]


@pytest.mark.parametrize("seed", range(3))
def test_rounded_has_the_same_sum_and_the_factors_as_its_mean(seed):
    factors = 1 + np.random.default_rng(seed).exponential(1, 50)
    length = repeat.epoch_length(factors)
    counts = np.array([repeat.rounded(factors, offset=step / 1024) for step in range(1024)])
    assert set(counts.sum(axis=1)) == {length}
    scaled = factors * length / factors.sum()
    assert (np.abs(counts - scaled) < 1).all()
    assert counts.min() >= 1
    # the offsets are a grid of 1/1024, so a mean is off by at most that
    np.testing.assert_allclose(counts.mean(axis=0), scaled, atol=1 / 1024)


def test_rounded_of_ones_is_ones_at_the_largest_offset():
    assert repeat.rounded(np.ones(100_000), offset=1 - 1 / repeat.GRID).tolist() == [1] * 100_000


def test_repeated_order_without_repetition_is_the_plain_order():
    for n, size in ((14, 4), (3, 8)):
        plain = order.epoch_order(n, batch_size=size, seed=5, epoch=3)
        assert repeat.repeated_order(np.ones(n), batch_size=size, seed=5, epoch=3).tolist() == plain.tolist()


def test_repeated_order_has_the_same_length_in_every_epoch_and_follows_from_seed_and_epoch():
    factors = np.array([2.5, 1.0, 1.0, 1.3])  # 5.8, so 6 images an epoch
    how = {"batch_size": 2, "seed": 1}
    epochs = [repeat.repeated_order(factors, **how, epoch=epoch) for epoch in range(300)]
    assert {len(epoch) for epoch in epochs} == {6}
    assert epochs[7].tolist() == repeat.repeated_order(factors, **how, epoch=7).tolist()
    assert epochs[7].tolist() != repeat.repeated_order(factors, batch_size=2, seed=2, epoch=7).tolist()
    assert len({tuple(epoch) for epoch in epochs}) > 100
    counts = np.array([np.bincount(epoch, minlength=4) for epoch in epochs])
    # 300 epochs: the mean of a count strays by at most about 3 x 0.5 / sqrt(300) = 0.09
    np.testing.assert_allclose(counts.mean(axis=0), factors * 6 / 5.8, atol=0.09)


def test_repeated_order_leaves_out_what_is_left_over_and_fills_a_batch():
    factors = np.array([1.5, 1.5])  # 3 images
    assert len(repeat.repeated_order(factors, batch_size=2, seed=0, epoch=0)) == 2
    few = repeat.repeated_order(factors, batch_size=8, seed=0, epoch=0)
    assert len(few) == 8
    assert sorted(np.bincount(few).tolist()) in ([3, 5], [4, 4], [2, 6])  # of 3 images once, twice and two thirds
