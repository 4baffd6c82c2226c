"""Pictures of detections: what is where, in which colour and size."""

import cv2
import numpy as np
import pytest

from mrcnn.annotate import draw
from mrcnn.predict import compact
from tests.predict import helpers

COLORS = {"cat": "#FF0000", "dog": "#0000FF"}


def test_class_colours_are_rgb_and_masks_translucent():
    image = np.full((1000, 1000, 3), 100, np.uint8)
    found = helpers.make_detections(
        [[200, 200, 600, 600], [700, 700, 900, 900]], ["cat", "dog"], [0.9, 0.8], size=(1000, 1000)
    )
    picture = draw.draw(image, found, class_colors=COLORS)
    assert picture.shape == image.shape
    assert picture.dtype == np.uint8
    # inside: 0.45 of the colour, 0.55 of the image's 100
    np.testing.assert_allclose(picture[400, 400], [0.45 * 255 + 55, 55, 55], atol=1)
    np.testing.assert_allclose(picture[800, 800], [55, 55, 0.45 * 255 + 55], atol=1)
    np.testing.assert_array_equal(picture[400, 200], [255, 0, 0])  # the box's line
    np.testing.assert_array_equal(picture[100, 100], [100] * 3)
    np.testing.assert_array_equal(image, 100)  # the image itself is left alone


def test_name_is_written_above_the_box():
    image = np.full((1000, 1000, 3), 100, np.uint8)
    found = helpers.make_detections([[500, 200, 800, 600]], ["cat"], [0.9], size=(1000, 1000))
    picture = draw.draw(image, found, class_colors=COLORS)
    label = picture[470:497, 200:300].reshape(-1, 3)
    assert (label == [255, 0, 0]).all(axis=1).mean() > 0.3  # background in the class's colour
    assert (label == [255, 255, 255]).all(axis=1).sum() > 50  # white letters


def test_letters_are_dark_on_a_light_colour():
    image = np.full((1000, 1000, 3), 100, np.uint8)
    found = helpers.make_detections([[500, 200, 800, 600]], ["cat"], [0.9], size=(1000, 1000))
    picture = draw.draw(image, found, class_colors={"cat": "#FFFF00"})
    assert (picture[470:497, 200:300].reshape(-1, 3) == 0).all(axis=1).sum() > 50


def test_small_image_is_enlarged():
    # 900 / 80 = 11.25, so 12 times
    image = np.full((60, 80, 3), 100, np.uint8)
    found = helpers.make_detections([[10, 20, 50, 60]], ["cat"], [0.9], size=(60, 80))
    picture = draw.draw(image, found, class_colors=COLORS)
    assert picture.shape == (720, 960, 3)
    np.testing.assert_allclose(picture[360, 480], [0.45 * 255 + 55, 55, 55], atol=1)
    np.testing.assert_array_equal(picture[360, 240], [255, 0, 0])


def test_without_class_colours_objects_differ():
    image = np.full((1000, 1000, 3), 100, np.uint8)
    found = helpers.make_detections(
        [[200, 200, 600, 600], [700, 700, 900, 900]], ["cat", "cat"], [0.9, 0.8], size=(1000, 1000)
    )
    picture = draw.draw(image, found)
    assert np.abs(picture[400, 400].astype(int) - picture[800, 800]).max() > 20


def test_labels_are_moved_apart_unless_they_are_many(monkeypatch):
    image = np.full((1000, 1000, 3), 100, np.uint8)
    found = helpers.make_detections([[500, 200, 800, 600]] * 2, ["cat", "cat"], [0.9, 0.8], size=(1000, 1000))
    apart = draw.draw(image, found, class_colors=COLORS)
    monkeypatch.setattr(draw, "MOST_SPREAD", 1)
    over_one_another = draw.draw(image, found, class_colors=COLORS)
    written = [(picture != 100).any(axis=2).sum() for picture in (over_one_another, apart)]
    assert written[0] < written[1]


def test_no_detection_gives_the_image():
    image = np.full((1000, 1000, 3), 100, np.uint8)
    np.testing.assert_array_equal(draw.draw(image, helpers.make_detections([], [], [], size=(1000, 1000))), image)


def test_other_letters_can_be_written():
    image = np.full((1000, 1000, 3), 100, np.uint8)
    pictures = []
    for name in ("ля", "жщ"):
        found = helpers.make_detections([[500, 200, 800, 600]], [name], [0.9], size=(1000, 1000), ids=[1])
        pictures.append(draw.draw(image, found, class_colors={name: "#FF0000"}))
    assert (pictures[0] != pictures[1]).any()  # a font without the letters would draw the same boxes twice


@pytest.mark.parametrize("image", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 1), np.uint8), np.zeros((9, 9, 3))])
def test_no_rgb_image_is_refused(image):
    with pytest.raises(ValueError, match=r"must be \[H, W, 3\] uint8"):
        draw.draw(image, helpers.make_detections([], [], [], size=(9, 9)))


def test_encode_round_trip():
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    read = cv2.imdecode(np.frombuffer(draw.encode(picture, ".png"), np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(read, picture)
    assert draw.encode(picture, ".jpg")[:2] == b"\xff\xd8"


def test_small_masks_are_drawn_as_large_ones():
    image = np.full((60, 80, 3), 100, np.uint8)
    found = helpers.make_detections([[10, 20, 50, 60], [5, 5, 30, 40]], ["cat", "dog"], [0.9, 0.8], size=(60, 80))
    found.masks[0, 20:30, 30:40] = False
    expected = draw.draw(image, found, class_colors=COLORS)
    np.testing.assert_array_equal(draw.draw(image, compact.from_dense(found), class_colors=COLORS), expected)


def test_a_small_object_lies_over_a_large_one():
    image = np.full((1000, 1000, 3), 100, np.uint8)
    boxes = [[400, 400, 500, 500], [200, 200, 800, 800]]
    found = helpers.make_detections(boxes, ["cat", "dog"], [0.9, 0.8], size=(1000, 1000))
    picture = draw.draw(image, found, class_colors=COLORS)
    np.testing.assert_allclose(picture[450, 450], [0.45 * 255 + 55, 55, 55], atol=1)
    np.testing.assert_allclose(picture[600, 600], [55, 55, 0.45 * 255 + 55], atol=1)


def test_names_of_small_objects_have_to_fit_the_room():
    # names of 100 pixels each: boxes of 200 and more are large; of the others, largest first, as many as fit 250
    boxes = np.float32([[0, 0, 10, 10], [0, 0, 10, 20], [0, 0, 10, 15], [0, 0, 10, 12], [0, 0, 30, 30]])
    areas = np.full(5, 100.0)
    assert draw._named(boxes, areas, room=250).tolist() == [1, 2, 3, 4]
    assert draw._named(boxes, areas, room=99).tolist() == [1, 4]
    assert draw._named(boxes, areas, room=1e9).tolist() == [0, 1, 2, 3, 4]
    assert draw._named(boxes[:0], areas[:0], room=9).tolist() == []


def test_many_small_objects_stay_visible():
    # 400 squares of 16 pixels, 50 apart: a name for each would cover the picture
    image = np.full((1000, 1000, 3), 100, np.uint8)
    corners = [(y, x) for y in range(10, 1000, 50) for x in range(10, 1000, 50)]
    boxes = [[y, x, y + 16, x + 16] for y, x in corners]
    found = helpers.make_detections(boxes, ["cat"] * 400, [0.9] * 400, size=(1000, 1000))
    picture = draw.draw(image, found, class_colors=COLORS)
    shown = sum(bool((np.abs(picture[y + 8, x + 8] - np.array([170, 55, 55])) <= 1).all()) for y, x in corners)
    assert shown >= 370
    assert (picture == 100).all(axis=2).mean() > 0.8


def test_small_objects_have_thin_lines_in_their_own_colours():
    image = np.full((1000, 1000, 3), 100, np.uint8)
    found = helpers.make_detections(
        [[200, 200, 600, 600], [700, 700, 720, 720]], ["cat", "dog"], [0.9, 0.8], size=(1000, 1000)
    )
    picture = draw.draw(image, found, class_colors=COLORS)
    np.testing.assert_array_equal(picture[710, 700], [0, 0, 255])
    np.testing.assert_allclose(picture[710, 702], [55, 55, 170], atol=1)
    np.testing.assert_array_equal(picture[400, 201], [255, 0, 0])


def test_texts_replace_class_and_score():
    image = np.full((1000, 1000, 3), 100, np.uint8)
    found = helpers.make_detections([[500, 200, 800, 600]], ["cat"], [0.9], size=(1000, 1000))
    usual = draw.draw(image, found, class_colors=COLORS)
    np.testing.assert_array_equal(draw.draw(image, found, class_colors=COLORS, texts=["cat 0.90"]), usual)
    shorter = draw.draw(image, found, class_colors=COLORS, texts=["cat"])
    columns = [(picture[480:490] == [255, 0, 0]).all(axis=2).any(axis=0).sum() for picture in (shorter, usual)]
    assert 0 < columns[0] < 0.7 * columns[1]
