import numpy as np
import pytest

from mrcnn.ops import sampling
from tests.traced import both

SEEDS = np.int32([7, 8])


def anchors(state, seeds=(7,), **settings):
    return both(
        lambda state, seeds: sampling.sample_anchors(state, seeds, **settings),
        np.int32(state),
        np.int32(seeds),
        unknown_batch=True,
    )


def rois(positive, negative, seeds=(7,), **settings):
    return both(
        lambda *given: sampling.sample_rois(*given, **settings),
        np.asarray(positive, bool),
        np.asarray(negative, bool),
        np.int32(seeds),
        unknown_batch=True,
    )


def priority(seeds, count, salt=1):
    return both(lambda seeds: sampling.random_priority(seeds, count, salt=salt), seeds, unknown_batch=True)


def test_random_priority_are_pinned():
    # what a run draws must not change between versions: a resumed run would differ from an unbroken one
    values = priority(np.int32([0, 1, -1]), 3)
    assert values.dtype == np.float32
    expected = [[16231460, 1809233, 2178988], [6220347, 14118981, 5196948], [10273112, 12604202, 12038412]]
    np.testing.assert_array_equal((values * 2**24).astype(int), expected)


def test_random_priority_from_a_first_position_are_those_of_the_whole_row():
    whole = priority(np.int32([7, 8]), 20)
    got = np.asarray(sampling.random_priority(np.int32([7, 8, 7]), 4, salt=1, first=np.int32([0, 8, 16])))
    np.testing.assert_array_equal(got, [whole[0, :4], whole[1, 8:12], whole[0, 16:]])


def reference(seed, position, salt):
    """The same hash in Python integers."""

    def mix(value):
        value ^= value >> 15
        value = value * 0x2C1B3C6D & 0xFFFFFFFF
        value ^= value >> 12
        value = value * 0x297A2D39 & 0xFFFFFFFF
        return value ^ value >> 15

    golden = 0x1E3779B9
    key = mix(mix((seed & 0xFFFFFFFF) + 1) ^ (salt * golden & 0xFFFFFFFF))
    return mix(mix((key + mix(position * golden & 0xFFFFFFFF)) & 0xFFFFFFFF) ^ key) >> 8


def test_random_priority_equal_the_hash_in_unlimited_integers():
    seeds = np.int32([0, 1, 2**31 - 1, -1, -(2**31)])
    expected = [[reference(int(seed), position, 5) for position in range(50)] for seed in seeds]
    np.testing.assert_array_equal((priority(seeds, 50, salt=5) * 2**24).astype(int), expected)


def test_random_priority_are_uniform_for_every_seed():
    values = priority(np.arange(64, dtype=np.int32), 16384)
    assert values.min() >= 0
    assert values.max() < 1
    histogram = np.stack([np.histogram(row, bins=64, range=(0, 1))[0] for row in values])
    # 256 expected in each bin: chi-squared with 63 degrees of freedom, mean 63, standard deviation 11.2
    chi_squared = ((histogram - 256) ** 2 / 256).sum(axis=1)
    assert abs(chi_squared.mean() - 63) < 4 * 11.2 / 8
    assert chi_squared.max() < 63 + 5 * 11.2


def test_random_priority_neighbouring_seeds_salts_and_positions_are_independent():
    count = 16384
    values = priority(np.arange(32, dtype=np.int32), count) - 0.5
    limit = 5 / np.sqrt(count)  # five standard deviations of a correlation of independent rows
    off_diagonal = np.corrcoef(values) - np.eye(32)
    assert np.abs(off_diagonal).max() < limit
    other_salt = priority(np.arange(32, dtype=np.int32), count, salt=2) - 0.5
    for row, other in zip(values, other_salt, strict=True):
        assert abs(np.corrcoef(row, other)[0, 1]) < limit
        assert abs(np.corrcoef(row[1:], row[:-1])[0, 1]) < limit
    # the same position under consecutive seeds
    by_position = priority(np.arange(4096, dtype=np.int32), 8) - 0.5
    assert np.abs(np.corrcoef(by_position.T) - np.eye(8)).max() < 5 / np.sqrt(4096)


def test_random_priority_every_subset_is_equally_likely():
    # the best 2 of 5 positions: 10 pairs, each expected 400 times in 4000 draws (sigma 19)
    values = priority(np.arange(4000, dtype=np.int32), 5)
    pairs = np.sort(np.argsort(-values, axis=1)[:, :2], axis=1)
    counts = np.unique(pairs @ [10, 1], return_counts=True)[1]
    assert len(counts) == 10
    assert np.abs(counts - 400).max() < 5 * 19


def test_random_priority_depend_on_nothing_but_the_seed():
    np.testing.assert_array_equal(priority(np.int32([3, 9]), 100)[1], priority(np.int32([9]), 100)[0])
    np.testing.assert_array_equal(priority(np.int32([9]), 100)[:, :10], priority(np.int32([9]), 10))
    np.testing.assert_array_equal(priority(np.int64([9]), 10), priority(np.int32([9]), 10))


def test_random_priority_no_numbers_and_no_images():
    assert priority(np.int32([1]), 0).shape == (1, 0)
    assert priority(np.zeros(0, np.int32), 3).shape == (0, 3)


def test_sample_anchors_match_the_published_case():
    # pytorch/vision test/test_models_detection_utils.py: exactly 1 object and 3 background, ignored never sampled
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, -1, -1])
    for state in anchors(np.tile(labels, (20, 1)), range(20), total=4, positive_fraction=0.25):
        assert (state == 1).sum() == 1
        assert (state == 0).sum() == 3
        assert (state[state >= 0] == labels[state >= 0]).all()


def test_sample_anchors_vary_with_the_seed_and_reach_everything():
    state = np.zeros((50, 10), int)
    drawn = anchors(state, range(50), total=2, positive_fraction=0.5)
    np.testing.assert_array_equal((drawn == 0).sum(axis=1), np.full(50, 2))
    assert (drawn == 0).any(axis=0).all()


def test_sample_anchors_background_fills_what_objects_leave():
    state = [[1, -1, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0, -1]]
    drawn = anchors(state, SEEDS, total=6, positive_fraction=0.5)
    np.testing.assert_array_equal((drawn == 1).sum(axis=1), [1, 3])
    np.testing.assert_array_equal((drawn == 0).sum(axis=1), [5, 1])


@pytest.mark.parametrize("state", [[[-1, -1, -1]], [[1, 1, 1]], [[0, 0, 0]]])
def test_sample_anchors_one_kind_of_anchor(state):
    (drawn,) = anchors(state, total=2, positive_fraction=0.5)
    assert list(drawn).count(state[0][0]) >= {1: 1, 0: 2, -1: 3}[state[0][0]]
    assert set(drawn) <= {state[0][0], -1}


def test_sample_anchors_more_slots_than_anchors_keep_all():
    np.testing.assert_array_equal(anchors([[1, 0, 1, -1]], total=256, positive_fraction=0.5), [[1, 0, 1, -1]])


def test_sample_anchors_share_below_one_object_of_an_unknown_number_of_anchors():
    tf = pytest.importorskip("tensorflow")

    def draw(state):
        return sampling.sample_anchors(state, np.int32([7]), total=4, positive_fraction=0.1)

    state = np.int32([[1, 0, 0, 0, 0, 0]])
    traced = tf.function(draw, input_signature=[tf.TensorSpec([1, None], "int32")])
    np.testing.assert_array_equal(traced(state), draw(state))
    assert (np.asarray(draw(state)) == 0).sum() == 4


def test_sample_anchors_no_anchors():
    assert anchors(np.zeros((2, 0)), SEEDS, total=4, positive_fraction=0.5).shape == (2, 0)


def test_sample_anchors_objects_may_take_every_slot():
    np.testing.assert_array_equal(anchors([[1, 0, 1]], total=2, positive_fraction=1.0), [[1, -1, 1]])


def test_zero_fraction_draws_no_object():
    np.testing.assert_array_equal(anchors([[1, 0, 1]], total=2, positive_fraction=0.0), [[-1, 0, -1]])


def test_sample_anchors_equal_priorities_still_give_the_exact_number(monkeypatch):
    monkeypatch.setattr(sampling, "random_priority", lambda seeds, count, salt: np.full((1, count), 0.5, np.float32))
    np.testing.assert_array_equal(anchors([[1, 0, 1, 0, 0, 1]], total=4, positive_fraction=0.5), [[1, 0, 1, 0, -1, -1]])


def test_an_image_draws_the_same_in_any_batch():
    state = np.random.default_rng(0).integers(-1, 2, (3, 40))
    together = anchors(state, [4, 5, 6], total=8, positive_fraction=0.5)
    alone = anchors(state[1:2], [5], total=8, positive_fraction=0.5)
    np.testing.assert_array_equal(together[1:2], alone)


def test_sample_rois_come_objects_first_then_background_then_unused():
    positive = [[1, 1, 0, 0, 1, 0, 0, 0]]
    negative = [[0, 0, 1, 1, 0, 1, 0, 0]]  # 6 and 7 are neither
    index, is_positive, valid = rois(positive, negative, total=7, positive_fraction=0.33)  # int(2.31) = 2 objects
    np.testing.assert_array_equal(is_positive, [[True, True] + [False] * 5])
    np.testing.assert_array_equal(valid, [[True] * 5 + [False] * 2])
    assert set(index[0, :2]) < {0, 1, 4}
    assert index[0, 0] != index[0, 1]
    assert set(index[0, 2:5]) == {2, 3, 5}
    np.testing.assert_array_equal(index[0, 5:], [0, 0])
    assert index.dtype == np.int32


def test_sample_rois_fill_with_background_without_objects():
    index, is_positive, valid = rois([[0] * 9], [[1] * 9], total=4, positive_fraction=0.5)
    assert not is_positive.any()
    assert valid.all()
    assert len(set(index[0])) == 4


def test_sample_rois_without_candidates_are_all_unused():
    for count in (0, 3):
        index, is_positive, valid = rois(
            np.zeros((2, count)), np.zeros((2, count)), SEEDS, total=4, positive_fraction=1
        )
        assert index.shape == is_positive.shape == valid.shape == (2, 4)
        assert not index.any()
        assert not is_positive.any()
        assert not valid.any()


def test_sample_rois_never_draw_one_region_twice_and_reach_all():
    positive = np.tile(np.arange(60) % 3 == 0, (40, 1))
    index, is_positive, valid = rois(positive, ~positive, range(40), total=20, positive_fraction=0.25)
    assert valid.all()
    np.testing.assert_array_equal(positive[0, index], is_positive)
    np.testing.assert_array_equal(is_positive.sum(axis=1), np.full(40, 5))
    assert {len(set(row)) for row in index} == {20}
    assert set(index.ravel()) == set(range(60))


@pytest.mark.parametrize(
    ("objects", "fraction", "background"), [(22, 0.33, 44), (66, 0.33, 134), (0, 0.33, 0), (3, 1.0, 0)]
)
def test_sample_rois_in_proportion(objects, fraction, background):
    # int(22 / 0.33) - 22 = 66 - 22 = 44; int(66 / 0.33) - 66 = 200 - 66 = 134
    positive = [np.arange(300) < objects]
    _, is_positive, valid = rois(
        positive, ~np.array(positive), total=200, positive_fraction=fraction, proportional=True
    )
    assert (is_positive.sum(), valid.sum() - is_positive.sum()) == (objects, background)


@pytest.mark.parametrize(("total", "fraction", "expected"), [(200, 0.33, 66), (6, 0.25, 1), (3, 0.25, 0)])
def test_most_objects_rounds_down(total, fraction, expected):
    assert sampling.most_objects(total, fraction) == expected


def points(labelled, seeds=(7,), **settings):
    return both(
        lambda labelled, seeds: sampling.sample_points(labelled, seeds, **settings),
        np.asarray(labelled, bool),
        np.int32(seeds),
        unknown_batch=True,
    )


@pytest.mark.parametrize(
    ("share", "expected"),
    # of 4, 3, 1 and 0 labelled points, rounded up; 0.1 of 10 would be 1 whole point, not 2
    [(0.5, [2, 2, 1, 0]), (0.25, [1, 1, 1, 0]), (0.3, [2, 1, 1, 0]), (1.0, [4, 3, 1, 0])],
)
def test_sample_points_draws_a_share_of_each_objects_labelled_points(share, expected):
    labelled = np.zeros((1, 4, 5), bool)
    for row, count in enumerate((4, 3, 1, 0)):
        labelled[0, row, :count] = True
    drawn = points(labelled, share=share)
    assert drawn.sum(axis=-1).tolist() == [expected]
    assert not (drawn & ~labelled).any()


def test_sample_points_a_tenth_of_ten_is_one():
    assert points(np.ones((1, 1, 10)), share=0.1).sum() == 1


def test_sample_points_vary_with_the_seed_and_the_object_and_reach_all():
    labelled = np.ones((20, 3, 10), bool)
    drawn = points(labelled, seeds=range(20), share=0.5)
    assert (drawn.sum(axis=-1) == 5).all()
    assert len({tuple(row) for row in drawn.reshape(-1, 10).tolist()}) > 40  # of 60 draws
    assert drawn.any(axis=(0, 1)).all()
    again = points(labelled[:1], seeds=[3], share=0.5)
    np.testing.assert_array_equal(again[0], drawn[3])  # alone in its batch


@pytest.mark.parametrize("shape", [(2, 3, 0), (2, 0, 4), (0, 3, 4)])
def test_sample_points_of_no_points_objects_and_images(shape):
    labelled = np.zeros(shape, bool)
    assert sampling.sample_points(labelled, np.zeros(shape[0], "int32"), share=0.5).shape == shape
