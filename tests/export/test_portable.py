"""The graph for other formats: its loop."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.export import graph, portable
from mrcnn.structures import OutputRules


@pytest.mark.parametrize("count", [0, 1, 30])
def test_paste_equals_draw(count):
    random = np.random.default_rng(1)
    height, width = 70, 90
    masks = random.random((count, 7, 7), np.float32)
    masks[::5] = 0.3  # empty
    corners = np.sort(random.uniform(-20, 110, (count, 2, 2)), axis=1).reshape(count, 4)
    boxes = np.clip(corners, 0, [height, width, height, width]).astype(np.float32)
    pasted, drawn = portable.paste(masks, boxes, height=height, width=width, rules=OutputRules())
    expected, expected_drawn = graph.draw(masks, boxes, height=height, width=width, rules=OutputRules())
    np.testing.assert_array_equal(drawn, expected_drawn)
    np.testing.assert_array_equal(pasted, expected)
    assert pasted.shape == (int(np.sum(drawn)), height, width)


def test_paste_computes_nothing_of_all_masks_together():
    """All masks in float32 would be the largest array of the model: ONNX has no comparison of uint8."""
    specs = [tf.TensorSpec(shape, tf.float32) for shape in ([None, 7, 7], [None, 4])]

    @tf.function(input_signature=specs)
    def run(masks, boxes):
        return portable.paste(masks, boxes, height=70, width=90, rules=OutputRules())

    made = {operation.type for operation in run.get_concrete_function().graph.get_operations()}
    assert {"TensorListStack", "GatherV2"} <= made  # the masks of the loop, and the choice among them
    assert not {"Cast", "Greater", "GreaterEqual", "NotEqual", "Any"} & made
