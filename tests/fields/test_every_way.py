"""A point and a vector go through every step between annotation and result."""

import numpy as np
import pytest

from mrcnn.data import augment, batching, copy_paste, rasterize
from mrcnn.data.batching import Shapes
from mrcnn.data.rasterize import from_masks
from mrcnn.data.resize import resize_plan
from mrcnn.fields.table import FIELDS
from mrcnn.predict import compact, merge, moves, overlaps, postprocess
from mrcnn.structures import CompactDetections, CroppedMask, RawDetections
from tests.fields import toy


@pytest.fixture(autouse=True)
def fields(monkeypatch):
    toy.register(monkeypatch)


def instances(*boxes, extras):
    """Full rectangles, given as yxyx."""
    return from_masks(
        masks=[np.ones((y2 - y1, x2 - x1), bool) for y1, x1, y2, x2 in boxes],
        corners=[box[:2] for box in boxes],
        class_ids=[1] * len(boxes),
        ignore=[False] * len(boxes),
        extras=extras,
    )


def detections(*boxes, extras, size=(40, 60)):
    """Full rectangles of one class, given as yxyx, best first."""
    return CompactDetections(
        boxes=np.array(boxes, np.float32),
        class_ids=np.ones(len(boxes), np.int32),
        class_names=("cat",) * len(boxes),
        scores=np.linspace(0.9, 0.5, len(boxes), dtype=np.float32),
        masks=tuple(CroppedMask.from_pixels(np.ones((y2 - y1, x2 - x1), bool), (y1, x1)) for y1, x1, y2, x2 in boxes),
        size=size,
        extras=extras,
    )


def rows(record):
    return np.concatenate([record.extras["point"], record.extras["offset"]], axis=1).tolist()


class Nowhere:
    """An object outside the image."""

    def to_mask(self, height, width):
        return None


class Corner:
    """An object of one pixel."""

    def to_mask(self, height, width):
        return np.ones((1, 1), bool), (0, 0)


def test_rasterize_drops_the_rows_of_objects_outside_the_image():
    got = rasterize.rasterize(
        [Nowhere(), Corner()], class_ids=[1, 1], ignore=[False] * 2, height=4, width=4,
        extras=toy.extras((1, 1, 1, 1), (2, 2, 2, 2)),
    )  # fmt: skip
    assert rows(got) == [[2, 2, 2, 2]]


def test_augmenter_moves_points_with_the_pixels():
    image = np.zeros((40, 60, 3), np.uint8)
    image[7, 11] = 255  # the pixel whose centre is the point
    objects = instances((2, 5, 20, 30), extras=toy.extras((7.5, 11.5, 1, 2)))
    specs = [{"name": "Fliplr", "args": {"p": 1.0}}, {"name": "Affine", "args": {"translate_px": {"y": 3}}}]
    moved, got = augment.Augmenter(specs, seed=0)(image, objects, epoch=0, place=0)
    assert rows(got) == [[10.5, 48.5, 1, 2]]  # 7.5 + 3, 60 - 11.5
    assert np.argwhere(moved[..., 0] > 128).tolist() == [[10, 48]]


def test_augmenter_drops_the_rows_of_objects_that_leave():
    objects = instances((0, 0, 4, 4), (20, 20, 30, 30), extras=toy.extras((1, 1, 1, 1), (25, 25, 2, 2)))
    specs = [{"name": "Crop", "args": {"px": (10, 0, 0, 10), "keep_size": False}}]
    _, got = augment.Augmenter(specs, seed=0)(np.zeros((40, 60, 3), np.uint8), objects, epoch=0, place=0)
    assert rows(got) == [[15, 15, 2, 2]]


def test_paste_objects_scales_the_copies_and_drops_the_covered():
    below = instances((0, 0, 4, 4), (10, 10, 20, 20), extras=toy.extras((1, 1, 1, 1), (15, 15, 2, 2)))
    source = instances((0, 0, 4, 4), extras=toy.extras((2, 3, 1, -1)))
    _, got = copy_paste.paste_objects(
        np.zeros((40, 40, 3), np.uint8),
        below,
        source=np.zeros((20, 20, 3), np.uint8),
        source_instances=source,
        chosen=np.array([0]),
    )
    assert rows(got) == [[15, 15, 2, 2], [4, 6, 2, -2]]  # twice as large


def test_make_example_puts_the_fields_into_slots_in_pixels_of_the_input():
    shapes = Shapes(min_dim=64, max_dim=64, channels=3, max_gt_instances=3, gt_mask_size=4, fields=("point", "offset"))
    objects = instances((2, 4, 10, 12), (4, 2, 12, 8), extras=toy.extras((8, 4, 1, 2), (6, 4, -1, 0)))
    image = np.zeros((16, 32, 3), np.uint8)  # twice as large in the input, 16 rows of padding above
    example = batching.make_example(image, objects, shapes=shapes, image_id=0, seed=0)
    assert example["gt_point"].tolist() == [[32, 8], [28, 8], [0, 0]]  # 8 * 2 + 16
    assert example["gt_offset"].tolist() == [[2, 4], [-2, 0], [0, 0]]
    spec = batching.example_spec(shapes)
    assert {name: spec[name] for name in ("gt_point", "gt_offset")} == dict.fromkeys(
        ("gt_point", "gt_offset"), ((3, 2), np.float32)
    )


def test_make_example_leaves_out_fields_that_are_not_asked_for():
    shapes = Shapes(min_dim=64, max_dim=64, channels=3, max_gt_instances=3, gt_mask_size=4)
    objects = instances((2, 4, 10, 12), extras=toy.extras((8, 4, 1, 2)))
    example = batching.make_example(np.zeros((16, 32, 3), np.uint8), objects, shapes=shapes, image_id=0, seed=0)
    assert not any("point" in name or "offset" in name for name in example)


def test_to_compact_converts_to_pixels_of_the_image_best_first():
    raw = RawDetections(
        boxes=np.array([[16, 0, 32, 16], [16, 16, 48, 48], [0, 0, 0, 0]], np.float32),
        class_ids=np.array([1, 1, 0]),
        scores=np.array([0.5, 0.9, 0], np.float32),
        valid=np.array([True, True, False]),
        masks=np.ones((3, 4, 4), np.float32),
        extras=toy.extras((20, 8, 2, 4), (32, 32, -2, 0), (0, 0, 0, 0)),
    )
    plan = resize_plan(16, 32, min_dim=64, max_dim=64)
    got = postprocess.to_compact(raw, plan, image_size=(16, 32), class_names=("bg", "cat"))
    assert rows(got) == [[8, 16, -1, 0], [2, 4, 1, 2]]  # (32 - 16) / 2, 32 / 2


def test_moved_and_mirrored_detections():
    found = detections((2, 4, 6, 10), extras=toy.extras((3, 5, 1, -2)), size=(20, 30))
    assert rows(moves.moved(found, (10, 20), size=(40, 60))) == [[13, 25, 1, -2]]
    assert rows(moves.mirrored(found)) == [[3, 25, 1, 2]]  # 30 - 5
    assert rows(moves.mirrored(moves.mirrored(found))) == rows(found)


def test_from_dense_and_to_dense_keep_the_fields():
    found = detections((2, 4, 6, 10), extras=toy.extras((3, 5, 1, -2)))
    assert rows(compact.to_dense(found)) == rows(compact.from_dense(compact.to_dense(found))) == rows(found)


def test_suppress_keeps_the_row_of_the_better_detection():
    found = detections(
        (2, 4, 10, 12), (2, 4, 10, 11), (20, 20, 30, 30), extras=toy.extras(*[[i] * 4 for i in range(3)])
    )
    assert rows(overlaps.suppress(found, iou_threshold=0.5)) == [[0] * 4, [2] * 4]


def test_join_pieces_combines_the_rows_of_one_object():
    found = detections((0, 0, 10, 20), (0, 20, 10, 30), extras=toy.extras((5, 10, 1, 1), (5, 25, 2, 2)))
    windows = np.array([[0, 0, 40, 20], [0, 20, 40, 60]])
    assert rows(merge.join_pieces(found, windows, iou_threshold=0.5)) == [[5, 17.5, 1, 1]]


@pytest.mark.parametrize(
    ("specs", "swapped"),
    [
        ([{"name": "Fliplr", "args": {"p": 1.0}}], True),
        ([{"name": "Flipud", "args": {"p": 1.0}}], True),
        ([{"name": "Fliplr", "args": {"p": 1.0}}, {"name": "Flipud", "args": {"p": 1.0}}], False),
        ([{"name": "Rot90", "args": {"k": 1}}], False),
        ([{"name": "Affine", "args": {"shear": 30}}], False),
        ([{"name": "Affine", "args": {"rotate": 170, "scale": 0.8}}], False),
        ([{"name": "ElasticTransformation", "args": {"alpha": 30, "sigma": 5}}], False),
        ([{"name": "PiecewiseAffine", "args": {"scale": 0.03}}, {"name": "Fliplr", "args": {"p": 1.0}}], True),
        ([{"name": "PerspectiveTransform", "args": {"scale": 0.1}}], False),
    ],
)
def test_augmenter_exchanges_left_and_right_of_mirrored_images(monkeypatch, specs, swapped):
    monkeypatch.setitem(FIELDS, "offset", toy.Sides())
    objects = instances((10, 15, 30, 45), extras={"offset": np.array([[1, 2]], np.float32)})
    _, got = augment.Augmenter(specs, seed=0)(np.zeros((40, 60, 3), np.uint8), objects, epoch=0, place=0)
    assert got.extras["offset"].tolist() == [[2, 1] if swapped else [1, 2]]


def test_mirrored_exchanges_left_and_right(monkeypatch):
    monkeypatch.setitem(FIELDS, "offset", toy.Sides())
    found = detections((2, 4, 6, 10), extras={"offset": np.array([[1, 2]], np.float32)})
    assert moves.mirrored(found).extras["offset"].tolist() == [[2, 1]]
    assert moves.mirrored(moves.mirrored(found)).extras["offset"].tolist() == [[1, 2]]
