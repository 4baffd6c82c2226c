import numpy as np

from mrcnn.data import counting
from mrcnn.project.census import Limits
from mrcnn.project.geometry import Bitmap
from mrcnn.structures import Sample

MAPPING = {"bg": 0, "cat": 1, "dog": 2}


def bitmap(x, y, side):
    return Bitmap((x, y), np.ones((side, side), bool))


def sample(name, *objects, size_hw=(640, 640)):
    """Makes a sample of (geometry, class number, ignored) that has no image file."""
    return Sample(
        name=name,
        image_path="nowhere.png",
        labels=tuple(geometry for geometry, _, _ in objects),
        class_ids=tuple(class_id for _, class_id, _ in objects),
        ignore=tuple(ignore for _, _, ignore in objects),
        size_hw=size_hw,
    )


def test_count_draws_objects_and_tells_kinds_apart():
    samples = [
        sample("a", (bitmap(0, 0, 100), 1, False), (bitmap(9, 9, 3), 1, False), (bitmap(0, 0, 50), 2, True)),
        sample("b", (bitmap(5, 5, 60), 0, True), (bitmap(700, 5, 60), 2, False)),  # the last lies outside
    ]
    found = counting.count(samples, name="training", class_title_to_idx=MAPPING, limits=Limits(64, 64, None, 100))
    assert found.images == 2
    assert found.objects == {"cat": 2}
    assert (found.small, found.crowds, found.neutral, found.left_out) == (1, 1, 1, 1)
    assert found.slots == {"a": 2, "b": 1}  # 3 of 640 pixels are 0.3 of 64: not seen


def test_count_passes_over_an_image_that_cannot_be_used():
    samples = [sample("a", (bitmap(0, 0, 100), 1, False), size_hw=None), sample("b")]
    found = counting.count(samples, name="training", class_title_to_idx=MAPPING, limits=Limits(64, 64, None, 100))
    assert (found.images, found.slots) == (1, {"b": 0})
