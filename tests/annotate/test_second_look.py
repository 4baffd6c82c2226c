"""Counts of objects below the threshold, with a model whose scores are the images' brightness."""

import pytest

from mrcnn.annotate import second_look
from mrcnn.config.inference import FullImageMode
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from tests.predict import helpers


def describe(folder, threshold=0.9, names=("cat", "dog")):
    predictor = Predictor(helpers.make_bundle(helpers.Thresholded(threshold), score_threshold=threshold))
    line = second_look.describe(
        predictor, sources.open_images(folder), mode=FullImageMode(), batch_size=2, names=names, limited_by="KEY"
    )
    assert predictor.bundle.model.choices.score_threshold == threshold
    return line


@pytest.fixture
def folder(tmp_path):
    # each image has a cat of its brightness / 255 and a dog of half of it
    for name, value in (("a.png", 204), ("b.png", 102), ("c.png", 52), ("d.png", 10)):
        helpers.write_image(tmp_path / "photos" / name, 8, 8, value)
    return tmp_path / "photos"


def test_describe_counts_what_scores_less(folder):
    # cats 0.8, 0.4, 0.204, 0.04; dogs 0.4, 0.2, 0.102, 0.02: three reach 0.3, six 0.1
    assert describe(folder) == (
        "no object scores at least 0.9 in 4 images; in them 3 score at least 0.3 and 6 score at least 0.1; KEY sets "
        "the limit"
    )


def test_describe_counts_the_classes_that_are_written(folder):
    assert "in them 1 score at least 0.3 and 3 score at least 0.1;" in describe(folder, names=("dog",))


def test_describe_leaves_out_what_is_not_below_the_threshold(folder):
    assert "at least 0.3" not in describe(folder, threshold=0.25)
    assert describe(folder, threshold=0.1) is None


def test_describe_looks_at_images_spread_over_the_run(folder, monkeypatch):
    monkeypatch.setattr(second_look, "IMAGES", 2)  # the first and the third
    assert "in 2 of them 2 score at least 0.3 and 4 score at least 0.1;" in describe(folder)
