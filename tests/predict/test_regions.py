"""Looking at parts of pictures: order, batches, reading ahead, and one bad picture among good ones."""

from contextlib import nullcontext

import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.predict import compact
from mrcnn.predict import regions as looking
from mrcnn.predict.pipeline import Pipeline
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.regions import Found, Method, Part, Region

from . import helpers

HALVES = Region((0, 0, 4, 3)), Region((0, 3, 4, 6), 7)


def make_pictures(count, read=None, bad=()):
    for index in range(count):
        if read is not None:
            read.append(index)
        yield helpers.make_picture(np.full((4, 6), 0 if index in bad else 10 * (index + 1), np.uint8), index=index)


def as_parts(regions, found, size):
    return [Part(each, region.label) for region, each in zip(regions, found, strict=True)]


WHOLE = Method(lambda picture: [Region((0, 0, 4, 6))], as_parts)
TWO = Method(lambda picture: HALVES, as_parts)


def run(pictures, method, *, predictor=None, batch_size=2, **kwargs):
    return list(
        looking.predict_regions(predictor or helpers.BlobPredictor(), pictures, method, batch_size=batch_size, **kwargs)
    )


def test_predict_regions_pictures_come_in_order_and_in_batches():
    predictor = helpers.BlobPredictor()
    found = run(make_pictures(5), WHOLE, predictor=predictor)
    assert [picture.index for picture, _ in found] == [0, 1, 2, 3, 4]
    np.testing.assert_allclose([each.detections.scores[0] for _, each in found], np.arange(10, 60, 10) / 255)
    assert predictor.batches == [2, 2, 1]


def test_predict_regions_no_more_is_read_than_a_batch_needs():
    read = []
    found = looking.predict_regions(helpers.BlobPredictor(), make_pictures(5, read), WHOLE, batch_size=2)
    next(found)
    assert read == [0, 1]


def test_predict_regions_pictures_without_regions_do_not_pile_up():
    read = []
    nothing = Method(lambda picture: [], as_parts)
    found = looking.predict_regions(helpers.BlobPredictor(), make_pictures(5, read), nothing, batch_size=2)
    _, first = next(found)
    assert first.parts == ()
    assert first.detections.size == (4, 6)
    assert read == [0]


def test_predict_regions_detections_are_in_pixels_of_the_image():
    ((_, found),) = run(make_pictures(1), TWO)
    assert [part.label for part in found.parts] == [None, 7]
    assert [part.detections.masks[0].box for part in found.parts] == [(0, 0, 4, 3), (0, 3, 4, 6)]
    assert found.detections.size == (4, 6)


def test_predict_regions_no_pictures():
    assert run([], WHOLE) == []


class Fussy(helpers.BlobPredictor):
    """Fails on a batch with a black image."""

    def predict_compact(self, images, *, batch_size=None):
        if any(not image.any() for image in images):
            raise MemoryError("too dark")
        return super().predict_compact(images, batch_size=batch_size)


@pytest.mark.parametrize("method", [WHOLE, TWO])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_predict_regions_picture_the_model_fails_on_does_not_cost_the_others(method, batch_size):
    bad = []
    found = run(
        make_pictures(6, bad=(1, 5)),
        method,
        predictor=Fussy(),
        batch_size=batch_size,
        on_error=lambda picture, error: bad.append((picture.index, str(error))),
    )
    assert [picture.index for picture, _ in found] == [0, 2, 3, 4]
    assert bad == [(1, "too dark"), (5, "too dark")]
    assert all(len(each.detections.masks) == len(each.parts) for _, each in found)


def test_predict_regions_after_a_failure_no_more_of_that_picture_is_looked_at():
    predictor, calls = Fussy(), []
    predict = predictor.predict_compact
    predictor.predict_compact = lambda images, **kwargs: calls.append(len(images)) or predict(images, **kwargs)
    many = Method(lambda picture: [HALVES[0]] * 50, as_parts)
    run(make_pictures(1, bad=(0,)), many, predictor=predictor, batch_size=3, on_error=lambda picture, error: None)
    assert calls == [3, 1]


def test_predict_regions_picture_that_does_not_fit_the_method_does_not_cost_the_others():
    def plan(picture):
        if picture.index == 1:
            raise UserError("too small")
        return HALVES

    def gather(regions, found, size):
        if found[0].scores[0] > 0.1:  # 30 / 255
            raise ValueError("too bright")
        return as_parts(regions, found, size)

    bad = []
    found = run(make_pictures(3), Method(plan, gather), on_error=lambda picture, error: bad.append(str(error)))
    assert [picture.index for picture, _ in found] == [0]
    assert bad == ["too small", "too bright"]


def test_predict_regions_without_a_handler_the_error_is_raised():
    with pytest.raises(MemoryError, match="too dark"):
        run(make_pictures(1, bad=(0,)), WHOLE, predictor=Fussy())


def test_parts_in_a_row():
    found = helpers.make_compact([[0, 0, 1, 1], [2, 2, 3, 3]], ["cat", "dog"], [0.1, 0.9], size=(4, 6))
    parts = (
        Part(compact.take(found, [0])),
        Part(compact.empty((4, 6)), box=(0, 0, 4, 6)),
        Part(compact.take(found, [1])),
    )
    assert Found(parts, (4, 6)).detections.class_names == ("cat", "dog")


def make_mixed(reports, read):
    """Yields pictures 0 to 7 with a report after each, which notes the picture's index."""
    for picture in make_pictures(8, read):
        yield picture
        yield lambda index=picture.index: reports.append(index)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_predict_regions_with_a_pipeline_has_the_order_of_one_without(batch_size):
    seen = []
    for predictor in (helpers.BlobPredictor(), Predictor(helpers.make_bundle())):
        happened = []
        with Pipeline(predictor) if isinstance(predictor, Predictor) else nullcontext(predictor) as used:
            mixed = make_mixed(happened, [])
            for picture, _ in looking.predict_regions(used, mixed, TWO, batch_size=batch_size):
                happened.append(f"picture {picture.index}")
        seen.append(happened)
    assert seen[0] == seen[1]
    assert len(seen[0]) == 16


def test_predict_regions_with_a_pipeline_reads_a_few_batches_ahead():
    read = []
    with Pipeline(Predictor(helpers.make_bundle())) as pipeline:
        found = looking.predict_regions(pipeline, make_pictures(20, read), WHOLE, batch_size=2)
        next(found)
        assert len(read) in (4, 6, 8)  # at most three batches beside the first
        assert [picture.index for picture, _ in found] == list(range(1, 20))


def test_predict_regions_with_a_pipeline_reads_no_further_while_pictures_are_large(monkeypatch):
    monkeypatch.setattr(looking, "MOST_AHEAD", 4 * 6 * 3)  # bytes: one picture
    read = []
    with Pipeline(Predictor(helpers.make_bundle())) as pipeline:
        next(looking.predict_regions(pipeline, make_pictures(20, read), WHOLE, batch_size=1))
    assert len(read) <= 3


class FussyInStages(Predictor):
    """Fails on a batch with a black image."""

    def detect(self, batch):
        if any(not image.any() for image in batch.images):
            raise MemoryError("too dark")
        return super().detect(batch)


@pytest.mark.parametrize("method", [WHOLE, TWO, WHOLE._replace(flip=True)])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_predict_regions_with_a_pipeline_loses_only_the_picture_that_fails(method, batch_size):
    bad = []
    with Pipeline(FussyInStages(helpers.make_bundle())) as pipeline:
        found = run(
            make_pictures(6, bad=(1, 5)),
            method,
            predictor=pipeline,
            batch_size=batch_size,
            on_error=lambda picture, error: bad.append((picture.index, str(error))),
        )
    assert [picture.index for picture, _ in found] == [0, 2, 3, 4]
    assert bad == [(1, "too dark"), (5, "too dark")]
    assert all(len(each.parts) == len(method.plan(None)) for _, each in found)


NONE = Method(lambda picture: [Region((0, 0, 4, 6))] if picture.index == 0 else [], as_parts)


def test_look_with_a_pipeline_sends_a_batch_that_is_not_full_before_pictures_fill_the_memory(monkeypatch):
    monkeypatch.setattr(looking, "MOST_AHEAD", 3 * 4 * 6 * 3)  # three pictures of 4 x 6 pixels and 3 channels
    read = []
    with Pipeline(Predictor(helpers.make_bundle())) as pipeline:
        first = next(looking.predict_regions(pipeline, make_pictures(50, read), NONE, batch_size=8))
    assert first[0].index == 0
    assert len(read) <= 6


def test_look_with_a_pipeline_yields_a_finished_picture_without_waiting_for_more_batches():
    read = []

    def pictures():
        yield from make_pictures(1, read)
        pipeline.submit([np.zeros((4, 6, 3), np.uint8)]).result()  # the batch before it is done then
        yield from make_pictures(3, read)

    with Pipeline(Predictor(helpers.make_bundle())) as pipeline:
        next(looking.predict_regions(pipeline, pictures(), WHOLE, batch_size=1))
    assert len(read) == 2
