import numpy as np
import pytest

from mrcnn.data import order


@pytest.mark.parametrize(("n", "batch_size", "steps"), [(10, 3, 3), (9, 3, 3), (2, 3, 1), (1, 1, 1)])
def test_steps_per_epoch_full_batches_only_but_at_least_one(n, batch_size, steps):
    assert order.steps_per_epoch(n, batch_size) == steps
    assert len(order.epoch_order(n, batch_size=batch_size, seed=0, epoch=0)) == steps * batch_size


def test_epoch_order_epoch_visits_each_image_once():
    assert sorted(order.epoch_order(12, batch_size=4, seed=0, epoch=3)) == list(range(12))
    assert len(set(order.epoch_order(14, batch_size=4, seed=0, epoch=3))) == 12


def test_epoch_order_short_set_is_tiled():
    counts = np.bincount(order.epoch_order(3, batch_size=8, seed=0, epoch=0))
    assert sorted(counts) == [2, 3, 3]  # 8 = 3 + 3 + 2


def test_epoch_order_order_follows_from_seed_and_epoch():
    first = order.epoch_order(50, batch_size=5, seed=1, epoch=2).tolist()
    order.epoch_order.cache_clear()
    assert order.epoch_order(50, batch_size=5, seed=1, epoch=2).tolist() == first
    assert order.epoch_order(50, batch_size=5, seed=1, epoch=3).tolist() != first
    assert order.epoch_order(50, batch_size=5, seed=2, epoch=2).tolist() != first


def test_epoch_order_what_is_kept_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        order.epoch_order(5, batch_size=5, seed=0, epoch=0)[0] = 1


def test_epoch_order_no_images():
    with pytest.raises(ValueError, match="at least one image"):
        order.epoch_order(0, batch_size=1, seed=0, epoch=0)


def test_derive_seed_seeds_differ_and_fit_int32():
    seeds = {order.derive_seed(seed, epoch, place) for seed in (1, 2) for epoch in (1, 2) for place in range(1, 251)}
    assert len(seeds) == 1000
    assert 0 <= min(seeds) <= max(seeds) < 2**31
    assert order.derive_seed(1, 2, 3) == order.derive_seed(1, 2, 3)
