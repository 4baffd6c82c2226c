import numpy as np
import pytest

from mrcnn.data.share import WHOLE, Share


def test_position_workers_have_contiguous_parts_of_each_batch():
    # batches of 6 for two workers: 0-2 and 3-5 of the first step, 6-8 and 9-11 of the second
    assert [Share(0, 2).position(own, batch_size=6) for own in range(6)] == [0, 1, 2, 6, 7, 8]
    assert [Share(1, 2).position(own, batch_size=6) for own in range(6)] == [3, 4, 5, 9, 10, 11]
    assert Share(1, 2).images(6) == 3


def test_position_of_one_process_is_the_place_itself():
    assert [WHOLE.position(own, batch_size=4) for own in (0, 5, 9)] == [0, 5, 9]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_position_together_each_place_once(count):
    size = 2 * count
    found = [Share(index, count).position(own, batch_size=size) for index in range(count) for own in range(6)]
    assert sorted(found) == list(range(6 * count))


def test_whole_batches_are_those_of_one_process_in_turn():
    groups = {(64, 64): np.arange(5), (64, 128): np.array([7, 9, 11])}
    # one process: [0 1] [2 3] [4] [7 9] [11]
    first, second = (Share(index, 2).whole_batches(groups, batch_size=2) for index in range(2))
    assert [part.tolist() for part in first] == [[0, 1, 4], [11]]
    assert [part.tolist() for part in second] == [[2, 3], [7, 9]]


def test_whole_batches_more_workers_than_batches():
    groups = {(64, 64): np.arange(3)}
    found = [Share(index, 4).whole_batches(groups, batch_size=2) for index in range(4)]
    assert [[part.tolist() for part in parts] for parts in found] == [[[0, 1]], [[2]], [], []]
    assert WHOLE.whole_batches({}, batch_size=2) == []
    assert WHOLE.whole_batches(groups, batch_size=2)[0].tolist() == [0, 1, 2]
