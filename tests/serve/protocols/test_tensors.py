import json

import numpy as np
import pytest

from mrcnn.predict import compact
from mrcnn.serve.protocols import tensors
from mrcnn.serve.responses import RequestError
from mrcnn.structures import Detections
from tests.fields import toy


def detections(masks):
    count = len(masks)
    dense = Detections(
        boxes=np.arange(4 * count, dtype=np.float32).reshape(count, 4) / 2,
        class_ids=np.arange(1, count + 1, dtype=np.int32),
        class_names=("cat",) * count,
        scores=np.full(count, 0.25, np.float32),
        masks=np.array(masks, bool),
    )
    return compact.from_dense(dense)


TWO = detections([[[1, 0, 1], [0, 0, 0]], [[0, 0, 0], [1, 1, 1]]])
NONE = detections(np.zeros((0, 2, 3)))


def test_write_nested_lists_are_what_the_arrays_hold():
    assert json.loads(tensors.write_nested(tensors.to_arrays(TWO, tensors.OUTPUTS))) == {
        "boxes": [[0.0, 0.5, 1.0, 1.5], [2.0, 2.5, 3.0, 3.5]],
        "class_ids": [1, 2],
        "scores": [0.25, 0.25],
        "masks": [[[1, 0, 1], [0, 0, 0]], [[0, 0, 0], [1, 1, 1]]],
    }


def test_write_nested_without_object_is_empty_lists():
    found = json.loads(tensors.write_nested(tensors.to_arrays(NONE, tensors.OUTPUTS)))
    assert found == {"boxes": [], "class_ids": [], "scores": [], "masks": []}
    assert tensors.write_flat(tensors.to_arrays(NONE, tensors.OUTPUTS)["masks"]) == "[]"


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 5), (2, 4, 1), (3, 5, 7)])
def test_write_nested_and_write_flat_of_masks_of_every_shape(shape):
    masks = np.random.default_rng(0).integers(0, 2, shape).astype(bool)
    masks[:, 0, 0] = True  # none is empty
    arrays = tensors.to_arrays(detections(masks), ["masks"])
    assert json.loads(tensors.write_nested(arrays))["masks"] == masks.astype(int).tolist()
    assert json.loads(tensors.write_flat(arrays["masks"])) == masks.astype(int).reshape(-1).tolist()


def test_to_arrays_keeps_the_usual_order_of_what_is_wanted():
    assert list(tensors.to_arrays(TWO, ["scores", "boxes"])) == ["boxes", "scores"]
    boxes = tensors.to_arrays(TWO, ["boxes"])["boxes"]
    assert json.loads(tensors.write_flat(boxes)) == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]


def test_to_arrays_refuses_masks_too_large_for_json_where_wanted():
    large = detections(np.ones((1, 4097, 4096)))
    with pytest.raises(RequestError) as caught:
        tensors.to_arrays(large, tensors.OUTPUTS)
    assert caught.value.status == 413
    assert str(caught.value).startswith("the masks of this answer have 16781312 values, more than 16777216;")
    assert list(tensors.to_arrays(large, ["boxes"])) == ["boxes"]


PIXELS = [[[0, 1, 2], [3, 4, 255]]]


@pytest.mark.parametrize(
    ("values", "shape"),
    [(PIXELS, None), ([PIXELS], None), ([0, 1, 2, 3, 4, 255], [1, 2, 3]), (PIXELS, [1, 1, 2, 3])],
)
def test_read_image_reads_pixels(values, shape):
    image = tensors.read_image(values, channels=3, shape=shape)
    assert image.dtype == np.uint8
    assert image.tolist() == PIXELS


@pytest.mark.parametrize(
    ("values", "shape", "message"),
    [
        ([[[1, 2, 3], [4, 5]]], None, "`image` must be rows of equal length"),
        ([[["a" * 1_000_000, 0, 0]]], None, "`image` must be rows of equal length"),
        ([[[{}, 0, 0]]], None, "`image` must be rows of equal length"),
        ([[[10**400, 0, 0]]], None, "`image` must be rows of equal length"),
        ([[[256, 0, 0]]], None, "the values of `image` must be whole numbers 0..255"),
        ([[[-1, 0, 0]]], None, "the values of `image` must be whole numbers 0..255"),
        ([[[0.5, 0, 0]]], None, "the values of `image` must be whole numbers 0..255"),
        ([[[None, 0, 0]]], None, "the values of `image` must be whole numbers 0..255"),
        ([[[1, 2]]], None, "`image` must be [height, width, 3], got [1, 1, 2]"),
        ([], None, "`image` must be [height, width, 3], got [0]"),
        ([[]], None, "`image` must be [height, width, 3], got [1, 0]"),
        (5, None, "`image` must be [height, width, 3], got []"),
        ([1, 2], [1, 2, 3], "`image` has 2 values, which is not its shape [1, 2, 3]"),
        ([1], [2**40, 2**40], "`image` has 1 values, which is not its shape"),
        ([1, 2, 3], [1] * 70 + [1, 1, 3], "`image` has 3 values, which is not its shape [1, 1"),
        ([1], [10**4000] * 3000, "`image` has 1 values, which is not its shape [1000"),  # multiplied: minutes
        ([[[1e39, 0, 0]]], None, "the values of `image` must be whole numbers 0..255"),
        ([], [0, 5, 3], "`image` must be [height, width, 3], got [0, 5, 3]"),
    ],
)
def test_read_image_refuses_what_are_no_pixels(values, shape, message):
    with pytest.raises(RequestError) as caught:
        tensors.read_image(values, channels=3, shape=shape)
    assert str(caught.value).startswith(message)


def test_whole_numbers():
    assert tensors.whole_numbers([0, 5], name="shape") == [0, 5]
    for wrong in (5, [1.0], [True], [-1], ["1"], None):
        with pytest.raises(RequestError, match="`shape` must be a list of whole numbers"):
            tensors.whole_numbers(wrong, name="shape")


def test_outputs_and_to_arrays_have_the_extra_fields(monkeypatch):
    toy.register(monkeypatch)
    arrays = tensors.outputs(["offset"])
    assert list(arrays) == [*tensors.OUTPUTS, "offset"]
    assert arrays["offset"] == tensors.Output("float32", (-1, 2))
    found = TWO._replace(extras=toy.extras((0, 0, 1, 2), (0, 0, 3, 4)))
    assert tensors.to_arrays(found, ["offset"])["offset"].tolist() == [[1, 2], [3, 4]]
    assert list(tensors.to_arrays(found, ["scores"])) == ["scores"]
    assert json.loads(tensors.write_nested(tensors.to_arrays(found, arrays)))["offset"] == [[1, 2], [3, 4]]
