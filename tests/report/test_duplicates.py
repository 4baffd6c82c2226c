import cv2
import numpy as np

from mrcnn.report import duplicates
from mrcnn.report.duplicates import Pair


def photograph(seed, side=160):
    """Makes smooth noise, which has details at every place, as a photograph has."""
    noise = np.random.default_rng(seed).integers(0, 256, (12, 12, 3)).astype(np.uint8)
    return cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)


def test_hash_of_says_where_values_grow_to_the_right():
    rising = np.tile(np.arange(17, dtype=np.uint8), (16, 1))
    assert duplicates.hash_of(rising.tobytes()).tolist() == [2**64 - 1] * 4
    assert duplicates.hash_of(rising[:, ::-1].tobytes()).tolist() == [0] * 4


def test_look_of_is_the_mean_of_areas():
    image = np.zeros((32, 34, 3), np.uint8)
    image[0:2, 0:2] = 200
    image[2:4, 2] = 100  # half of an area
    look = np.frombuffer(duplicates.look_of(image), np.uint8).reshape(16, 17)
    assert (look[0, 0], look[1, 1], look.sum()) == (200, 50, 250)
    assert duplicates.look_of(image[..., :1]) == look.tobytes()


def test_find_copies_that_were_resized_compressed_and_made_brighter():
    first, other = photograph(1), photograph(2)
    small = cv2.resize(first, (90, 90), interpolation=cv2.INTER_AREA)
    pressed = cv2.imdecode(cv2.imencode(".jpg", first, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)
    bright = (first * 0.9 + 25).astype(np.uint8)
    looks = [duplicates.look_of(image) for image in (first, other, small, pressed, bright)]
    assert [pair[:2] for pair in duplicates.find(looks)] == [(0, 2), (0, 3), (0, 4), (2, 3), (2, 4), (3, 4)]


def test_find_no_pair_among_different_images():
    assert duplicates.find([duplicates.look_of(photograph(seed)) for seed in range(20)]) == []


def test_find_compares_grey_values_where_hashes_say_little():
    dark = np.zeros((64, 68, 3), np.uint8)  # equal neighbours: no bit is set, as in one whose rows get darker
    falling = np.repeat(np.arange(64, 0, -1, dtype=np.uint8)[:, None, None] * 3, 68, axis=1).repeat(3, axis=2)
    looks = [duplicates.look_of(image) for image in (dark, falling)]
    assert [duplicates.hash_of(look).tolist() for look in looks] == [[0] * 4] * 2
    assert duplicates.find(looks) == []
    assert duplicates.find([looks[0], looks[0]]) == [Pair(0, 1, 0)]


def test_find_of_fewer_than_two():
    assert duplicates.find([]) == []
    assert duplicates.find([duplicates.look_of(photograph(0))]) == []
