"""Masks of COCO annotations, compared with pycocotools."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as pycocotools_mask

from mrcnn.data.coco import masks
from mrcnn.data.coco.masks import Unusable

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # inside pycocotools

HEIGHT, WIDTH = 20, 24
BLOB = np.zeros((HEIGHT, WIDTH), bool)
BLOB[3:9, 4:11] = True
BLOB[5:7, 6:8] = False  # a hole
BLOB[15, 20] = True  # and a second part


def _counts(mask):
    """Encodes COCO's uncompressed run lengths: column by column, zeros first."""
    flat = mask.T.ravel().astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flat)))).tolist()
    return np.diff([0, *edges, flat.size]).tolist()


def _packed(mask):
    packed = pycocotools_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": packed["size"], "counts": packed["counts"].decode()}


HOUSE = [2.0, 2.0, 12.0, 2.0, 12.0, 9.0, 7.0, 14.0, 2.0, 9.0]
TRIANGLE = [15.3, 1.2, 22.9, 4.4, 17.1, 11.8]
SEGMENTATIONS = {
    "polygon": [HOUSE],
    "parts": [HOUSE, TRIANGLE],
    "overlapping parts": [HOUSE, [5.0, 5.0, 20.0, 5.0, 20.0, 8.5]],
    "outside": [[-5.0, -5.0, 60.0, -5.0, 60.0, 60.0]],
    "run lengths": {"size": [HEIGHT, WIDTH], "counts": _counts(BLOB)},
    "packed run lengths": _packed(BLOB),
}


def _reference(segmentation):
    if isinstance(segmentation, list) or isinstance(segmentation["counts"], list):
        encoded = pycocotools_mask.frPyObjects(segmentation, HEIGHT, WIDTH)
        segmentation = pycocotools_mask.merge(encoded) if isinstance(encoded, list) else encoded
    return pycocotools_mask.decode(segmentation).astype(bool)


def _draw(segmentation, *, height=HEIGHT, width=WIDTH):
    """Draws onto a canvas of the image."""
    drawing = masks.draw(segmentation, height=height, width=width)
    (y, x), (rows, columns) = drawing.origin, drawing.mask.shape
    assert drawing.mask[[0, -1]].any(axis=1).all()  # the box is tight
    assert drawing.mask[:, [0, -1]].any(axis=0).all()
    canvas = np.zeros((height, width), bool)
    canvas[y : y + rows, x : x + columns] = drawing.mask
    assert canvas.sum() == drawing.mask.sum()  # all of it lies in the image
    return canvas


def _notes(segmentation):
    return masks.draw(segmentation, height=HEIGHT, width=WIDTH).notes


@pytest.mark.parametrize("kind", SEGMENTATIONS)
def test_draw_masks_equal_those_of_pycocotools(kind):
    np.testing.assert_array_equal(_draw(SEGMENTATIONS[kind]), _reference(SEGMENTATIONS[kind]))
    assert _notes(SEGMENTATIONS[kind]) == ()


def test_draw_run_lengths_keep_holes_and_parts():
    for kind in ("run lengths", "packed run lengths"):
        np.testing.assert_array_equal(_draw(SEGMENTATIONS[kind]), BLOB)


def test_draw_polygon_reference_case():
    # Source: reference case "polygon_rasterise" drawn by pycocotools: rows 2..8 hold columns 2..11, then narrower.
    mask = _draw([HOUSE], height=20, width=20)
    assert mask.sum(axis=1).tolist() == [0, 0] + [10] * 7 + [8, 6, 4, 2] + [0] * 7


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_draw_equals_pycocotools_whatever_the_run_lengths(data):
    flat = data.draw(st.lists(st.booleans(), min_size=30, max_size=30))
    mask = np.array(flat).reshape(5, 6)
    packed = pycocotools_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    for counts in (_counts(mask), packed["counts"].decode()):
        segmentation = {"size": [5, 6], "counts": counts}
        if mask.any():
            np.testing.assert_array_equal(_draw(segmentation, height=5, width=6), mask)
        else:
            with pytest.raises(Unusable, match=masks.NO_PIXEL):
                masks.draw(segmentation, height=5, width=6)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.lists(st.floats(-30, 50), min_size=6, max_size=16).filter(lambda ring: len(ring) % 2 == 0),
        min_size=1,
        max_size=5,
    )
)
def test_draw_equals_pycocotools_whatever_the_polygons(rings):
    expected = _reference(rings)
    if expected.any():
        np.testing.assert_array_equal(_draw(rings), expected)
    else:
        with pytest.raises(Unusable):
            _draw(rings)


@pytest.mark.parametrize("segmentation", [None, [], [[]], {}, "", 0])
def test_has_mask_an_object_without_segmentation_has_no_mask(segmentation):
    assert not masks.has_mask(segmentation)
    with pytest.raises(Unusable) as caught:
        masks.draw(segmentation, height=HEIGHT, width=WIDTH)
    assert caught.value.reason == masks.NO_MASK


@pytest.mark.parametrize("kind", SEGMENTATIONS)
def test_has_mask(kind):
    assert masks.has_mask(SEGMENTATIONS[kind])


def test_draw_a_polygon_beside_the_image_has_no_pixel():
    with pytest.raises(Unusable) as caught:
        _draw([[100.0, 100, 110, 100, 110, 110]])
    assert caught.value.reason == masks.NO_PIXEL


@pytest.mark.parametrize("part", [[0, 0, 5, 5], [0, 0, 5, 5, 9], [1, 2, 3, 4, 5, 6, 7]])
def test_draw_part_of_too_few_or_odd_numbers_is_left_out_alone(part):
    # Four numbers would be a box to the mask functions.
    np.testing.assert_array_equal(_draw([part, HOUSE]), _reference([HOUSE]))
    assert _notes([part, HOUSE]) == (masks.SHORT_PART,)
    with pytest.raises(Unusable) as caught:
        _draw([part])
    assert caught.value.reason == masks.BAD_OUTLINE


PAIRS = [[x, y] for x, y in zip(HOUSE[::2], HOUSE[1::2], strict=True)]


@pytest.mark.parametrize(
    ("segmentation", "note"),
    [
        (HOUSE, masks.FLAT),
        (PAIRS, masks.PAIRS),
        ([PAIRS], masks.PAIRS),
        ([list(map(str, HOUSE))], masks.TEXT),
    ],
)
def test_draw_unusual_polygons_are_read(segmentation, note):
    np.testing.assert_array_equal(_draw(segmentation), _reference([HOUSE]))
    assert _notes(segmentation) == (note,)


def test_draw_run_lengths_as_text_or_floats_are_read():
    counts, size = _counts(BLOB), [HEIGHT, WIDTH]
    for made in (list(map(str, counts)), list(map(float, counts))):
        np.testing.assert_array_equal(_draw({"size": size, "counts": made}), BLOB)
    np.testing.assert_array_equal(_draw({"size": ["20", 24.0], "counts": counts}), BLOB)


def _wrapping():
    """Packs run lengths whose sum is that of the image plus 2^64: 65,536 runs of D, 2 D, 3 D, …, between runs of 0."""
    runs = 2**16
    step, first = divmod(2**64 + HEIGHT * WIDTH, runs * (runs + 1) // 2)
    codes = []
    for value in (first, *[step, 0] * runs):  # from the fourth on, the difference to the last but one
        while value >= 16:
            codes.append(value % 32 + 32)
            value //= 32
        codes.append(value)
    return bytes(code + 48 for code in codes).decode()


def _malformed(reason, **segmentations):
    return [pytest.param(reason, segmentation, id=name) for name, segmentation in segmentations.items()]


SIZE = [HEIGHT, WIDTH]
HALF = HEIGHT * WIDTH // 2


@pytest.mark.parametrize(
    ("reason", "segmentation"),
    [
        *_malformed(
            masks.MALFORMED,
            no_counts={"size": SIZE},
            no_size={"counts": [480]},
            number_counts={"size": SIZE, "counts": 480},
            other_keys={"rle": [1], "format": "rle"},
            words=[["a"] * 6],
            nothing=[[None] * 6],
            word_counts={"size": SIZE, "counts": ["a"]},
            text="[[1, 2, 3, 4, 5, 6]]",
            number=3,
            mixed=[[1, 2, 3, 4, 5, 6], 7],
            deep=[[[[1, 2], [3, 4], [5, 6]]]],
            points=[[{"x": 1, "y": 2}] * 3],
        ),
        *_malformed(
            masks.BAD_RUNS,
            other_size={"size": [5, 5], "counts": [25]},
            swapped_size={"size": [WIDTH, HEIGHT], "counts": [480]},
            long_size={"size": [HEIGHT, WIDTH, 1], "counts": [480]},
            wrong_sum={"size": SIZE, "counts": [10, 20, 449]},
            too_large_a_sum={"size": SIZE, "counts": [10, 20, 451]},
            no_runs={"size": SIZE, "counts": []},
            negative={"size": SIZE, "counts": [-5, 10, 475]},
            fraction={"size": SIZE, "counts": [10.5, 470.5]},
            endless={"size": SIZE, "counts": [float("inf"), 1]},
            undefined={"size": SIZE, "counts": [float("nan"), 1]},
            huge={"size": SIZE, "counts": [10**400, 1]},
            wrapped={"size": SIZE, "counts": [2**63, 2**63, 480]},
            packed_wrong_sum={"size": SIZE, "counts": "50"},
            packed_cut_off={"size": SIZE, "counts": "P"},
            packed_long_number={"size": SIZE, "counts": "oooooooo0"},
            packed_negative={"size": SIZE, "counts": "K:k>"},  # the same
            packed_other_letters={"size": SIZE, "counts": "\x01\x02"},
            packed_other_text={"size": SIZE, "counts": "\u00e9"},
            packed_sum_of_too_many_bits={"size": SIZE, "counts": _wrapping()},
            packed_empty={"size": SIZE, "counts": ""},
        ),
        *_malformed(
            masks.BAD_OUTLINE,
            undefined_point=[[float("nan"), 10, 30, 10, 30, 30]],
            endless_point=[[float("inf"), 10, 30, 10, 30, 30]],
            huge_point=[[10**400, 10, 30, 10, 30, 30]],
            far_point=[[1e8, 10, 30, 10, 30, 30]],
            far_on_the_other_side=[[-1e8, 10, 30, 10, 30, 30]],
            one_bad_part=[HOUSE, [1e300, 10, 30, 10, 30, 30]],
            fractions=[[0.1, 0.1, 0.4, 0.1, 0.4, 0.4]],
            two_points=[[[1, 2], [3, 4]]],
            odd=[[1, 2, 3, 4, 5, 6, 7]],
        ),
    ],
)
def test_draw_a_malformed_segmentation_is_one_line(reason, segmentation):
    with pytest.raises(Unusable) as caught:
        masks.draw(segmentation, height=HEIGHT, width=WIDTH)
    assert caught.value.reason == reason
    assert caught.value.detail
    assert "\n" not in str(caught.value)


def test_draw_a_mask_of_too_many_pixels_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(masks, "MOST_PIXELS", 99)
    with pytest.raises(Unusable, match="its box has 10 x 10 pixels, more than 99"):
        _draw([[2, 2, 12, 2, 12, 12, 2, 12]])


def test_draw_outline_too_long_to_draw_is_refused():
    zigzag = [value for number in range(3000) for value in (0, number % 7, 999, number % 5)]
    with pytest.raises(Unusable, match=r"its outline is 59.* pixels long") as caught:
        masks.draw([zigzag], height=1000, width=1000)
    assert caught.value.reason == masks.TOO_LARGE


def test_draw_small_objects_of_a_large_image_take_little_time():
    side = 16_000  # a canvas of 256 million pixels, 0.1 s for each of 200 objects
    began = time.process_time()
    for number in range(200):
        x = 70.0 * number
        drawing = masks.draw([[x, 9, x + 30, 9, x + 30, 49]], height=side, width=side)
        assert drawing.origin == (9, x)
    assert time.process_time() - began < 2


def test_draw_many_parts(monkeypatch):
    rings = [[x, y, x + 2, y, x + 2, y + 2] for x in range(0, 300, 3) for y in range(0, 150, 3)]
    one = masks.draw(rings[:1], height=150, width=300).mask.sum()
    assert masks.draw(rings, height=150, width=300).mask.sum() == 5000 * one
    monkeypatch.setattr(masks, "MOST_PARTS", 4999)
    with pytest.raises(Unusable, match="it has 5000 parts, more than 4999"):
        masks.draw(rings, height=150, width=300)


def test_draw_an_outline_is_measured_part_by_part(monkeypatch):
    # Two squares with sides of 10 pixels: 2 x 40, not the way from one to the other.
    squares = [[x, 2, x + 10, 2, x + 10, 12, x, 12] for x in (0, 1000)]
    monkeypatch.setattr(masks, "MOST_OUTLINE", 80)
    assert masks.draw(squares, height=20, width=1020).mask.sum() == 2 * 100
    monkeypatch.setattr(masks, "MOST_OUTLINE", 79)
    with pytest.raises(Unusable, match="80 pixels long"):
        masks.draw(squares, height=20, width=1020)


def test_unpack_reads_what_pycocotools_writes():
    assert masks.unpack(SEGMENTATIONS["packed run lengths"]["counts"]).tolist() == _counts(BLOB)
    assert masks.unpack("").tolist() == []
    large = np.zeros((3000, 3000), np.uint8, order="F")
    large[7:2990:3, 5:2993] = 1
    assert masks.unpack(pycocotools_mask.encode(large)["counts"]).tolist() == _counts(large)


@pytest.mark.parametrize(
    ("starts", "ends", "box"),
    [
        ([9], [10], (1, 2, 2, 3)),  # columns of 4 pixels: pixel 9 is row 1 of column 2
        ([1, 5], [3, 7], (1, 0, 3, 2)),
        ([3], [5], (0, 0, 4, 2)),  # goes on in the next column
        ([4], [8], (0, 1, 4, 2)),
    ],
)
def test_box_of_runs(starts, ends, box):
    assert masks.box_of((np.array(starts), np.array(ends)), 4) == box


@pytest.mark.parametrize("dtype", [np.int64, np.uint32])
def test_unroll_runs(dtype):
    mask, corner = masks.unroll((np.array([1, 6], dtype), np.array([3, 7], dtype)), 4)
    assert corner == (1, 0)
    np.testing.assert_array_equal(mask, [[1, 0], [1, 1]])


@pytest.mark.parametrize("origin", [(0, 0), (3, 2), (6, 5)])
def test_encode_crop_is_the_mask_with_clear_pixels_around(origin):
    crop = np.array([[1, 0, 1, 1], [1, 1, 0, 1]], dtype=bool)
    full = np.zeros((8, 9), dtype=np.uint8, order="F")
    y, x = origin
    full[y : y + 2, x : x + 4] = crop
    found = masks.encode_crop(crop, origin, size=(8, 9))
    assert found == {"size": [8, 9], "counts": pycocotools_mask.encode(full)["counts"].decode()}
    np.testing.assert_array_equal(pycocotools_mask.decode(found), full)
