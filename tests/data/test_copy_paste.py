import numpy as np
import pytest

from mrcnn.data.copy_paste import choose, paste_objects
from mrcnn.data.rasterize import from_masks


def _objects(*boxes, class_ids=None, ignore=None):
    """Full rectangles, given as yxyx."""
    return from_masks(
        masks=[np.ones((y2 - y1, x2 - x1), bool) for y1, x1, y2, x2 in boxes],
        corners=[box[:2] for box in boxes],
        class_ids=class_ids or [1] * len(boxes),
        ignore=ignore or [False] * len(boxes),
    )


def _grey(height, width, value):
    return np.full((height, width, 3), value, np.uint8)


def test_paste_objects_covers_what_lies_below():
    below = _objects((0, 0, 4, 4), (0, 6, 2, 8), class_ids=[1, 2])
    image, objects = paste_objects(
        _grey(8, 10, 10),
        below,
        source=_grey(8, 10, 200),
        source_instances=_objects((0, 2, 4, 6), class_ids=[3]),
        chosen=np.array([0]),
    )
    assert objects.class_ids.tolist() == [1, 2, 3]
    assert objects.boxes.tolist() == [[0, 0, 4, 2], [0, 6, 2, 8], [0, 2, 4, 6]]  # the first lost its right half
    assert image[:4, 2:6].min() == 200
    assert (image == 200).sum() == 4 * 4 * 3


def test_paste_objects_leaves_out_what_is_covered_entirely():
    _, objects = paste_objects(
        _grey(8, 8, 10), _objects((2, 2, 4, 4)),
        source=_grey(8, 8, 200), source_instances=_objects((0, 0, 8, 8), class_ids=[2]),
        chosen=np.array([0]),
    )  # fmt: skip
    assert objects.class_ids.tolist() == [2]


def test_paste_objects_resizes_the_other_image_to_fit():
    # 40 x 20 into 10 x 10: factor 1/4, so the object's rows 8..16 become 2..4 and its columns 4..12 become 1..3
    _, objects = paste_objects(
        _grey(10, 10, 10),
        _objects(),
        source=_grey(40, 20, 200),
        source_instances=_objects((8, 4, 16, 12)),
        chosen=np.array([0]),
    )
    assert objects.boxes.tolist() == [[2, 1, 4, 3]]


def test_paste_objects_of_none_changes_nothing():
    image, below = _grey(4, 4, 10), _objects((0, 0, 2, 2), ignore=[True])
    got, objects = paste_objects(
        image, below, source=_grey(4, 4, 200), source_instances=_objects(), chosen=np.array([], int)
    )
    np.testing.assert_array_equal(got, image)
    assert objects.boxes.tolist() == [[0, 0, 2, 2]]
    assert objects.ignore.tolist() == [True]


def test_paste_objects_keeps_the_input_image():
    image = _grey(4, 4, 10)
    paste_objects(
        image, _objects(), source=_grey(4, 4, 200), source_instances=_objects((0, 0, 4, 4)), chosen=np.array([0])
    )
    assert image.max() == 10


@pytest.mark.parametrize(("share", "expected"), [(1.0, [0, 2]), (1e-9, 1)])
def test_choose_takes_no_ignore_region_and_at_least_one_object(share, expected):
    objects = _objects((0, 0, 1, 1), (1, 1, 2, 2), (2, 2, 3, 3), ignore=[False, True, False])
    got = choose(objects, share=share, rng=np.random.default_rng(0)).tolist()
    assert got == expected or (len(got) == expected and set(got) <= {0, 2})


def test_choose_of_none():
    assert len(choose(_objects(), share=1.0, rng=np.random.default_rng(0))) == 0
