import math

import numpy as np
import pytest

from mrcnn.structures import RawDetections
from mrcnn.train.workers import results
from mrcnn.train.workers.results import BatchResult


def make(count):
    raw = RawDetections(
        np.full((count, 2, 4), 1.5, np.float32),
        np.ones((count, 2), np.int32),
        np.zeros((count, 2), np.float32),
        np.array([[True, False]] * count).reshape(count, 2),
        np.zeros((count, 2, 3, 3), np.float32),
        extras={"keypoints": np.ones((count, 2, 17, 3), np.float32)},
        maps={"semantic": np.ones((count, 4, 4, 2), np.float32)},
    )
    return BatchResult(np.arange(count, dtype=np.int32), {"loss": 0.1, "rpn_class_loss": math.nan}, raw)


@pytest.mark.parametrize("count", [2, 0])
def test_unpack_is_the_inverse_of_pack(count):
    given = make(count)
    found = results.unpack(results.pack(given))
    assert found.losses["loss"] == 0.1
    assert math.isnan(found.losses["rpn_class_loss"])
    assert list(found.losses) == list(given.losses)
    np.testing.assert_array_equal(found.image_ids, given.image_ids)
    for name in ("boxes", "class_ids", "scores", "valid", "masks"):
        value, expected = getattr(found.raw, name), getattr(given.raw, name)
        np.testing.assert_array_equal(value, expected)
        assert value.dtype == expected.dtype
    np.testing.assert_array_equal(found.raw.extras["keypoints"], given.raw.extras["keypoints"])
    np.testing.assert_array_equal(found.raw.maps["semantic"], given.raw.maps["semantic"])


def test_pack_nothing_is_no_bytes():
    assert results.pack(None) == b""
    assert results.unpack(b"") is None


def test_unpack_refuses_other_bytes():
    with pytest.raises(ValueError, match="pickle"):
        results.unpack(b"something else")
