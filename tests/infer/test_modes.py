"""Modes: whole images, in order, a batch at a time."""

import numpy as np

from mrcnn.config.inference import MODES, FullImageMode
from mrcnn.infer import modes
from mrcnn.infer.sources import Picture
from mrcnn.project.annotation import Annotation


class CountingPredictor:
    """Answers with the image's first value and notes the batches."""

    def __init__(self):
        self.batches = []

    def predict(self, images, *, batch_size=None):
        images = list(images)
        self.batches.append((len(images), batch_size))
        return [int(image[0, 0, 0]) for image in images]


def make_pictures(count, read):
    for index in range(count):
        read.append(index)
        yield Picture(index, np.full((4, 5, 3), 10 * index, np.uint8), Annotation((4, 5)))


def test_full_image_answers_in_order_and_in_batches():
    predictor, read = CountingPredictor(), []
    found = list(modes.full_image(predictor, make_pictures(5, read), FullImageMode(), 2))
    assert [(picture.index, value) for picture, value in found] == [(index, 10 * index) for index in range(5)]
    assert predictor.batches == [(2, 2), (2, 2), (1, 2)]


def test_full_image_reads_a_batch_ahead_only():
    read = []
    found = modes.full_image(CountingPredictor(), make_pictures(5, read), FullImageMode(), 2)
    next(found)
    assert read == [0, 1]


def test_full_image_of_nothing():
    assert list(modes.full_image(CountingPredictor(), iter([]), FullImageMode(), 2)) == []


def test_every_mode_of_the_config_has_a_runner():
    assert modes.RUNNERS.keys() == MODES.keys()
