"""The batch size that is worth it on a machine."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.predict import batch_size
from mrcnn.predict.predictor import Predictor

from . import helpers


def full(size):
    raise tf.errors.ResourceExhaustedError(None, None, f"no room for {size}")


@pytest.mark.parametrize(
    ("seconds", "most", "expected"),
    [
        # images/s: 10, 20, 40, 40 (not 5 % more)
        ({1: 0.1, 2: 0.1, 4: 0.1, 8: 0.2}, 64, 4),
        # 10, 10.4: below 5 %
        ({1: 0.1, 2: 0.192}, 64, 1),
        # 10, 10.53: above 5 %; then the limit
        ({1: 0.1, 2: 0.19}, 3, 2),
        ({1: 0.1, 2: 0.1, 4: full}, 64, 2),
        ({1: full}, 64, 1),
        ({1: 0.1}, 1, 1),
    ],
)
def test_largest_worth(seconds, most, expected):
    tried = []

    def measure(size):
        tried.append(size)
        return seconds[size](size) if callable(seconds[size]) else seconds[size]

    assert batch_size.largest_worth(measure, most=most) == expected
    assert tried == list(seconds)


def test_choose_measures_inputs_of_full_size_after_one_call_that_does_not_count(monkeypatch):
    shapes = []

    class Noted(Predictor):
        def detect(self, batch):
            shapes.append(batch.images.shape)
            assert np.ptp(batch.images) > 200
            return super().detect(batch)

    monkeypatch.setattr(batch_size, "_timed", lambda call: call() and 1.0)  # each batch takes a second
    assert batch_size.choose(Noted(helpers.make_bundle(max_dim=128, shape="rectangle")), regions=5) == 4
    # min_dim 64
    assert shapes == [(1, 64, 128, 3)] * 3 + [(2, 64, 128, 3)] * 3 + [(4, 64, 128, 3)] * 3


def test_choose_measures_nothing_for_one_image():
    predictor = Predictor(helpers.make_bundle())
    predictor.detect = full
    assert batch_size.choose(predictor, regions=1) == 1
    assert batch_size.choose(predictor, regions=0) == 1


def test_choose_for_an_unknown_number_stops_at_the_limit_of_a_cpu(monkeypatch):
    monkeypatch.setattr(batch_size, "_timed", lambda call: call() and 1.0)
    assert batch_size.choose(Predictor(helpers.make_bundle()), regions=None) == 8
