import cv2
import numpy as np
import pytest

from mrcnn.evaluate.analysis import compare
from mrcnn.evaluate.analysis.compare import IGNORED, MISSED, RIGHT, WRONG, Shape
from mrcnn.evaluate.analysis.seen import Collector
from tests.evaluate.analysis.test_seen import detections, truth

TITLES = ("bg", "cat")


def seen_of(given, found):
    collector = Collector()
    collector.add(0, given, found)
    return collector.images[0]


ONE = seen_of(
    truth((20, 5, 40, 25), (50, 40, 70, 60), (60, 5, 79, 15), ignore=[False, False, True], size=(80, 80)),
    detections((20, 5, 40, 25), (20, 45, 35, 60), (60, 5, 79, 15), (70, 70, 75, 75),
               scores=[0.9, 0.8, 0.7, 0.2], size=(80, 80)),
)  # fmt: skip


def has(picture, color):
    return bool((picture == np.array(color)).all(axis=-1).any())


def texts(monkeypatch, image, one, **rest):
    written = []
    monkeypatch.setattr(
        compare, "draw", lambda picture, shapes, factor: written.append([(s.text, s.color) for s in shapes])
    )
    compare.panels(image, one, **{"titles": TITLES, **rest})
    return written


def test_panels_name_what_is_right_and_wrong(monkeypatch):
    objects, found = texts(monkeypatch, np.zeros((80, 80, 3), np.uint8), ONE, threshold=0.5)
    assert objects == [("cat", RIGHT), ("cat missed", MISSED), ("cat ignore", IGNORED)]
    assert found == [("cat 0.90", RIGHT), ("cat 0.80 background", WRONG), ("cat 0.70", IGNORED)]


def test_panels_judge_the_detections_above_the_threshold_alone(monkeypatch):
    objects, found = texts(monkeypatch, np.zeros((80, 80, 3), np.uint8), ONE, threshold=0.95)
    assert [text for text, _ in objects] == ["cat missed", "cat missed", "cat ignore"]
    assert found == []


def test_panels_shorten_long_titles(monkeypatch):
    titles = ("bg", "a" * 30)
    objects, found = texts(monkeypatch, np.zeros((80, 80, 3), np.uint8), ONE, threshold=0.85, titles=titles)
    assert objects[0][0] == "a" * 19 + "…"
    assert found[0][0] == "a" * 19 + "… 0.90"


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_panels_draw_in_one_size(channels):
    image = np.full((80, 40, channels), 100, np.uint8)
    drawn = compare.panels(image, seen_of(truth((0, 0, 40, 20), size=(80, 40)), detections(scores=[], size=(80, 40))),
                           titles=TITLES, threshold=0.5, side=160)  # fmt: skip
    assert drawn.truth.shape == drawn.found.shape == (160, 80, 3)
    assert has(drawn.truth, MISSED)
    assert (drawn.found == 100).all()


def test_draw_puts_the_mask_where_the_object_is():
    picture = compare.draw(np.zeros((160, 160, 3), np.uint8), [Shape(*_shape(), "", RIGHT)], factor=(2.0, 2.0))
    tint = (np.array(RIGHT) * compare.OPACITY).astype(np.uint8)
    painted = np.argwhere((picture == tint).all(axis=-1))
    # rows 20-39 and columns 10-19 of the image, twice as large, without the outline of two pixels at most
    assert painted.min(axis=0).tolist() == pytest.approx([40, 20], abs=3)
    assert painted.max(axis=0).tolist() == pytest.approx([79, 39], abs=3)


def _shape():
    one = seen_of(truth((20, 10, 40, 20), size=(80, 80)), detections(scores=[], size=(80, 80)))
    return one.gt_boxes[0], one.gt_masks[0]


def test_draw_an_object_without_pixels_as_its_box():
    empty = {"size": [80, 80], "counts": "PX1"}  # one run of 6400 false pixels
    picture = compare.draw(np.zeros((80, 80, 3), np.uint8), [Shape(_shape()[0], empty, "x", WRONG)], factor=(1.0, 1.0))
    assert has(picture, WRONG)


def test_encode():
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[..., 0] = 255
    assert cv2.imdecode(np.frombuffer(compare.encode(picture, ".png"), np.uint8), 1)[0, 0].tolist() == [0, 0, 255]
    assert compare.encode(picture, ".jpg")[:2] == b"\xff\xd8"
