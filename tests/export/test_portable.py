"""The graph for other formats: its loop."""

import numpy as np
import pytest

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
