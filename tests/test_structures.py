import typing

import numpy as np
import pytest

from mrcnn import structures

RECORDS = [value for value in vars(structures).values() if isinstance(value, type) and hasattr(value, "_fields")]


def test_a_batch_travels_as_a_dictionary_and_back():
    batch = structures.Batch(*range(10))
    assert structures.Batch(**batch._asdict()) == batch
    assert list(batch._asdict())[:2] == ["images", "windows"]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_field_is_described(record):
    described = record.__doc__
    assert all(f"{name}:" in described for name in typing.get_type_hints(record))


@pytest.mark.parametrize(("own", "expected"), [(0.7, 0.05), (0.05, 0.05), (0.01, 0.01)])
def test_for_evaluation_lowers_only_the_score_threshold(own, expected):
    choices = structures.Choices(score_threshold=own, detections_per_image=7)
    assert choices.for_evaluation() == choices._replace(score_threshold=expected)


def test_a_mask_is_cropped_to_its_true_pixels():
    pixels = np.zeros((5, 9), bool)
    pixels[1, 3], pixels[3, 7] = True, True
    mask = structures.CroppedMask.from_pixels(pixels, (10, 20))
    assert (mask.origin, mask.shape, mask.area, mask.box) == ((11, 23), (3, 5), 2, (11, 23, 14, 28))
    np.testing.assert_array_equal(mask.pixels, pixels[1:4, 3:8])
    assert mask.pixels.dtype == bool


def test_a_mask_without_a_pixel():
    mask = structures.CroppedMask.from_pixels(np.zeros((5, 9), bool), (10, 20))
    assert (mask.shape, mask.area) == ((0, 0), 0)
    assert mask.pixels.shape == (0, 0)


def test_of_stage_keeps_the_name_in_the_first_stage_alone():
    assert [structures.of_stage("mrcnn_bbox_fc", stage) for stage in (1, 2, 3)] == [
        "mrcnn_bbox_fc", "mrcnn_bbox_fc_stage2", "mrcnn_bbox_fc_stage3",
    ]  # fmt: skip
