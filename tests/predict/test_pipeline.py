"""The stages of a prediction in threads."""

import threading
from itertools import chain

import numpy as np
import pytest

from mrcnn.predict.pipeline import Pipeline
from mrcnn.predict.predictor import Predictor

from . import helpers

SECONDS = 10  # how long a thread waits for another before the test fails


def make_images(*values):
    return [helpers.grey_image(20 + index, 30, value) for index, value in enumerate(values)]


def test_pipeline_finds_what_the_predictor_finds():
    predictor, batches = Predictor(helpers.make_bundle()), [make_images(10, 20), make_images(30), make_images(40, 50)]
    with Pipeline(predictor) as pipeline:
        futures = [pipeline.submit(batch) for batch in batches]
        found = [future.result() for future in futures]
    expected = [predictor.predict_compact(batch, batch_size=len(batch)) for batch in batches]
    assert [[each.size for each in batch] for batch in found] == [
        [(20, 30), (21, 30)],
        [(20, 30)],
        [(20, 30), (21, 30)],
    ]
    for ours, theirs in zip(chain(*found), chain(*expected), strict=True):
        np.testing.assert_array_equal(ours.boxes, theirs.boxes)
        np.testing.assert_array_equal(ours.scores, theirs.scores)
        np.testing.assert_array_equal(ours.masks[0].pixels, theirs.masks[0].pixels)


class Watched(Predictor):
    """Waits inside the model until the next batch is prepared, and inside `finish` until it is in the model."""

    def __init__(self, bundle):
        super().__init__(bundle)
        self.prepared, self.inside, self.most_inside = [], 0, 0
        self.next_prepared, self.next_in_model = threading.Event(), threading.Event()

    def prepare(self, images):
        self.prepared.append(len(images))
        if len(self.prepared) == 2:
            self.next_prepared.set()
        return super().prepare(images)

    def detect(self, batch):
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        assert self.next_prepared.wait(SECONDS)
        if self.most_inside and len(batch.images) == 2:
            self.next_in_model.set()
        raw = super().detect(batch)
        self.inside -= 1
        return raw

    def finish(self, batches, raw):
        assert self.next_in_model.wait(SECONDS)
        return super().finish(batches, raw)


def test_pipeline_overlaps_the_stages_but_not_the_model_with_itself():
    predictor = Watched(helpers.make_bundle())
    with Pipeline(predictor) as pipeline:
        first, second = pipeline.submit(make_images(10)), pipeline.submit(make_images(20, 30))
        assert (len(first.result()), len(second.result())) == (1, 2)
    assert predictor.most_inside == 1


@pytest.mark.parametrize("stage", ["prepare", "detect", "finish"])
def test_pipeline_raises_what_a_stage_raised_and_goes_on(stage):
    predictor = Predictor(helpers.make_bundle())
    working, calls = getattr(predictor, stage), []

    def failing_first(*args):
        calls.append(args)
        if len(calls) == 1:
            raise MemoryError("too large")
        return working(*args)

    setattr(predictor, stage, failing_first)
    with Pipeline(predictor) as pipeline:
        first, second = pipeline.submit(make_images(10)), pipeline.submit(make_images(20))
        with pytest.raises(MemoryError, match="too large"):
            first.result()
        assert second.result()[0].scores[0] == pytest.approx(20 / 255, rel=1e-4)


def test_pipeline_cancels_waiting_batches_at_its_end():
    predictor, entered, leave, calls = Predictor(helpers.make_bundle()), threading.Event(), threading.Event(), []
    working = predictor.detect

    def slow(batch):
        calls.append(1)
        entered.set()
        assert leave.wait(SECONDS)
        return working(batch)

    predictor.detect = slow
    before = threading.active_count()
    with Pipeline(predictor) as pipeline:
        for value in (10, 20, 30, 40):
            pipeline.submit(make_images(value))
        assert entered.wait(SECONDS)
        threading.Timer(0.2, leave.set).start()
    assert calls == [1]
    assert threading.active_count() == before
