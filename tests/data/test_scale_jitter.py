import numpy as np
import pytest

from mrcnn.data.rasterize import from_masks
from mrcnn.data.scale_jitter import Placement, draw, place
from tests.fields import toy


def objects(*boxes, class_ids=None, ignore=None, extras=None):
    """Full rectangles, given as yxyx."""
    return from_masks(
        masks=[np.ones((y2 - y1, x2 - x1), bool) for y1, x1, y2, x2 in boxes],
        corners=[box[:2] for box in boxes],
        class_ids=class_ids or [1] * len(boxes),
        ignore=ignore or [False] * len(boxes),
        extras=extras,
    )


def blank(height, width, channels=3):
    return np.zeros((height, width, channels), np.uint8)


def test_draw_equals_detectron2s_resize():
    # facebookresearch/detectron2@02b5c4e2 tests/data/test_transforms.py, test_resize_and_crop: numpy's seed 125,
    # ResizeScale(0.2, 2.0, 1100, 1000) of 900 x 800. Its boxes' sides 65 and 53 became 47.2333 and 38.49125, that is
    # by 654 / 900 and 581 / 800
    rng = np.random.RandomState(125)
    rng.rand(900, 800)  # that test's image
    found = draw((900, 800), (1100, 1000), scales=(0.2, 2.0), rng=rng)
    assert found == Placement((654, 581), (0, 0), (1100, 1000))


def test_draw_covers_the_scales_and_the_places():
    rng = np.random.default_rng(0)
    found = [draw((30, 60), (64, 64), scales=(0.1, 2.0), rng=rng) for _ in range(2000)]
    widths = np.array([placement.scaled_hw[1] for placement in found])
    assert (widths.min(), widths.max()) == (6, 128)  # 0.1 and 2 times 64
    assert np.mean(widths) == pytest.approx(64 * 1.05, rel=0.03)
    assert all(placement.scaled_hw[0] in (round(width / 2 - 0.01), round(width / 2 + 0.01))
               for placement, width in zip(found, widths, strict=True))  # fmt: skip
    cut = [placement for placement in found if placement.scaled_hw[1] > 64]
    shares = np.array([placement.cut_yx[1] / (placement.scaled_hw[1] - 64) for placement in cut])
    assert (shares.min(), shares.max()) == (0, 1)
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)
    assert {placement.cut_yx for placement in found if placement.scaled_hw[1] <= 64} == {(0, 0)}


def test_draw_keeps_at_least_a_pixel():
    found = draw((1, 1000), (64, 64), scales=(0.1, 0.1), rng=np.random.default_rng(0))
    assert found.scaled_hw == (1, 6)


def test_place_at_the_same_size_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (8, 10, 3)).astype(np.uint8)
    before = objects((1, 2, 5, 9), (0, 0, 8, 10), class_ids=[1, 2], ignore=[False, True])
    canvas, after = place(image, before, Placement((8, 10), (0, 0), (8, 10)))
    np.testing.assert_array_equal(canvas, image)
    assert after.boxes.tolist() == before.boxes.tolist()
    assert (after.class_ids.tolist(), after.ignore.tolist()) == ([1, 2], [False, True])


def test_place_pads_below_and_right():
    image = np.full((4, 6, 3), 200, np.uint8)
    canvas, found = place(image, objects((0, 2, 4, 6)), Placement((2, 3), (0, 0), (4, 4)))
    assert canvas[..., 0].tolist() == [[200, 200, 200, 0], [200, 200, 200, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert found.boxes.tolist() == [[0, 1, 2, 3]]


def test_place_cuts_and_moves_image_and_objects_alike():
    image = blank(8, 8)
    image[2:6, 2:6] = 255
    # twice as large, the bright square is 4..12; the canvas begins at row 6 and column 3
    canvas, found = place(image, objects((2, 2, 6, 6)), Placement((16, 16), (6, 3), (8, 8)))
    assert found.boxes.tolist() == [[0, 1, 6, 8]]  # 4..12 less 6 and 3, within 8 x 8
    bright = canvas[..., 0] > 127
    mask = np.zeros((8, 8), bool)
    mask[0:6, 1:8] = found.masks[0]
    np.testing.assert_array_equal(bright, mask)


def test_place_drops_what_is_cut_away_or_covers_no_half_pixel():
    boxes = [(0, 0, 2, 2), (6, 6, 8, 8), (3, 3, 4, 4), (4, 4, 6, 5)]
    # half the size, from row 1 on: the first is cut away; a single pixel covers a quarter of one; 2 x 1 pixels a half
    _, found = place(blank(8, 8), objects(*boxes, class_ids=[1, 2, 3, 4]), Placement((4, 4), (1, 0), (4, 4)))
    assert found.class_ids.tolist() == [2, 4]
    assert found.boxes.tolist() == [[2, 3, 3, 4], [1, 2, 2, 3]]


def test_place_keeps_the_shape_of_a_mask():
    rows, columns = np.mgrid[:40, :40]
    disc = (rows - 19.5) ** 2 + (columns - 19.5) ** 2 <= 15**2
    whole = from_masks(masks=[disc], corners=[(10, 20)], class_ids=[1], ignore=[False])
    for side, radius in ((50, 7.5), (150, 22.5)):
        _, found = place(blank(100, 100), whole, Placement((side, side), (0, 0), (side, side)))
        assert found.masks[0].sum() == pytest.approx(np.pi * radius**2, rel=0.07)
        y1, x1, y2, x2 = found.boxes[0]
        scale = side / 100
        np.testing.assert_allclose([(y1 + y2) / 2, (x1 + x2) / 2], [30 * scale, 40 * scale], atol=0.5)


def test_place_moves_further_fields_and_keeps_facts(monkeypatch):
    toy.register(monkeypatch)
    values = {"point": np.float32([[3, 4], [1, 1]]), "offset": np.float32([[1, 2], [0, 0]])}
    before = objects((2, 2, 6, 6), (0, 0, 1, 1), extras=values)._replace(facts={"licence": 1})
    _, found = place(blank(8, 8), before, Placement((16, 24), (2, 5), (8, 8)))
    assert found.extras["point"].tolist() == [[4, 7]]  # 3 * 2 - 2 and 4 * 3 - 5; the second object is cut away
    assert found.extras["offset"].tolist() == [[2, 6]]  # a vector only grows
    assert found.facts == {"licence": 1}


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_place_without_objects_and_with_any_channels(channels):
    for side in (4, 16):
        canvas, found = place(blank(8, 8, channels), objects(), Placement((side, side), (0, 0), (8, 8)))
        assert canvas.shape == (8, 8, channels)
        assert found.boxes.shape == (0, 4)
