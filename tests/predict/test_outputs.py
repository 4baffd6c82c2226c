"""The named outputs of networks and of functions of images."""

import numpy as np
import pytest

from mrcnn.predict import outputs
from mrcnn.structures import RawDetections
from tests.export import helpers


def test_unnamed_reverses_named():
    raw = RawDetections(boxes=1, class_ids=2, scores=3, valid=4, masks=5)
    fields = outputs.named(raw)
    assert fields == {"boxes": 1, "class_ids": 2, "scores": 3, "valid": 4, "masks": 5}
    assert outputs.unnamed(dict(reversed(fields.items()))) == raw
    more = raw._replace(extras={"depth": 6})
    assert outputs.named(more) == fields | {"depth": 6}
    assert outputs.unnamed(outputs.named(more)) == more
    mapped = more._replace(maps={"semantic": 7})
    assert outputs.named(mapped) == fields | {"depth": 6, "semantic": 7}
    assert outputs.unnamed(outputs.named(mapped), maps=("semantic",)) == mapped


def test_unnamed_needs_every_field():
    with pytest.raises(KeyError, match="scores"):
        outputs.unnamed({"boxes": 1, "class_ids": 2})


@pytest.mark.parametrize("count", [0, 2])
def test_of_detections_has_the_types_of_a_signature(count):
    boxes = np.float32([[0, 0, 2, 3], [1, 1, 4, 4]])[:count]
    found = helpers.make_detections(boxes, [1, 2][:count], [0.75, 0.5][:count], size=(5, 6))
    found = found._replace(extras={"depth": np.zeros(count, np.float32)}, maps={"semantic": np.zeros((5, 6), np.uint8)})
    fields = outputs.of_detections(found, np.zeros((count, 4, 4), np.float32))
    assert {name: (value.dtype.name, value.shape) for name, value in fields.items()} == {
        "boxes": ("float32", (count, 4)),
        "class_ids": ("int32", (count,)),
        "scores": ("float32", (count,)),
        "masks": ("uint8", (count, 5, 6)),
        "probabilities": ("float32", (count, 4, 4)),
        "depth": ("float32", (count,)),
        "semantic": ("uint8", (5, 6)),
    }
    assert fields["masks"].sum() == [0, None, 2 * 3 + 3 * 3][count]
