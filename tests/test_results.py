"""What a prediction can be turned into."""

import numpy as np
import pytest
import supervision as sv
from PIL import Image

from mrcnn import optional
from mrcnn.errors import UserError
from tests.predict import helpers

SIZE = (40, 60)


@pytest.fixture
def found():
    boxes = [[10, 20, 30, 50], [0, 0, 4, 5]]  # 20 x 30 and 4 x 5 pixels, y1 x1 y2 x2
    return helpers.make_detections(boxes, ["cat", "dog"], [0.75, 0.5], size=SIZE)


@pytest.fixture
def nothing():
    return helpers.make_detections([], [], [], size=SIZE)


def test_to_dicts_are_rows_of_a_table(found, nothing):
    first, second = found.to_dicts()
    assert first == {
        "class": "cat", "class_id": 1, "score": 0.75, "y1": 10.0, "x1": 20.0, "y2": 30.0, "x2": 50.0, "area": 600
    }  # fmt: skip
    assert (second["class"], second["area"]) == ("dog", 20)
    assert nothing.to_dicts() == []


def test_to_dicts_have_the_extra_fields_as_lists(found):
    (row, _) = found._replace(extras={"keypoints": np.ones((2, 1, 3), np.float32)}).to_dicts()
    assert row["keypoints"] == [[1.0, 1.0, 1.0]]


def test_to_coco_is_a_results_list(found, nothing):
    first, _ = found.to_coco(image_id=7)
    assert (first["image_id"], first["category_id"], first["bbox"], first["score"]) == (7, 1, [20, 10, 30, 20], 0.75)
    assert first["segmentation"]["size"] == [40, 60]
    assert nothing.to_coco() == []


def test_to_supervision_keeps_boxes_masks_scores_and_names(found, nothing):
    converted = found.to_supervision()
    assert isinstance(converted, sv.Detections)
    np.testing.assert_array_equal(converted.xyxy, [[20, 10, 50, 30], [0, 0, 5, 4]])
    np.testing.assert_array_equal(converted.mask, found.masks)
    assert converted.confidence.tolist() == [0.75, 0.5]
    assert converted.class_id.tolist() == [1, 2]
    assert converted.data["class_name"].tolist() == ["cat", "dog"]
    assert len(nothing.to_supervision()) == 0


@pytest.mark.parametrize("form", ["array", "grey", "alpha", "path", "pillow"])
def test_plot_draws_over_the_image(found, tmp_path, form):
    pixels = np.full((*SIZE, 3), 100, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = {
        "array": pixels,
        "grey": pixels[..., 0],
        "alpha": np.concatenate([pixels, pixels[..., :1]], axis=-1),
        "path": tmp_path / "a.png",
        "pillow": Image.fromarray(pixels),
    }[form]
    picture = found.plot(image, class_colors={"cat": "#FF0000", "dog": "#0000FF"})
    assert picture.size == (60 * 15, 40 * 15)  # enlarged to at least 900 pixels
    assert picture.getpixel((40 * 15, 25 * 15)) == pytest.approx((0.45 * 255 + 55, 55, 55), abs=1)


def test_plot_of_nothing_is_the_image(nothing):
    assert nothing.plot(np.full((*SIZE, 3), 100, np.uint8)).getpixel((5, 5)) == (100, 100, 100)


def test_plot_refuses_another_image(found):
    with pytest.raises(ValueError, match=r"the image has 60x40 pixels .*, the detections are of one with 40x60"):
        found.plot(np.zeros((60, 40, 3), np.uint8))


@pytest.mark.parametrize("name", ["plot", "to_supervision"])
def test_missing_packages_are_named_with_the_line_that_installs_them(found, monkeypatch, name):
    monkeypatch.setattr(optional, "missing", lambda extra: ["supervision"])
    arguments = [np.zeros((*SIZE, 3), np.uint8)] if name == "plot" else []
    with pytest.raises(UserError, match=rf"{name} needs the package supervision; install it by .*mrcnn\[draw\]"):
        getattr(found, name)(*arguments)


def test_a_notebook_shows_a_table(found, nothing):
    html = found._replace(class_names=("<b>", "dog"))._repr_html_()
    assert html.count("<tr>") == 3
    assert "&lt;b&gt;" in html
    assert "<td>0.750</td><td>20.0, 10.0, 50.0, 30.0</td><td>600</td>" in html
    assert "no objects" in nothing._repr_html_()
