"""The graph for other formats: its metadata and its loop."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mrcnn.export import graph, portable
from mrcnn.structures import OutputRules
from tests.export import helpers

LABELS = {"classes": [{"id": 1, "title": "Käse", "color": "#FF0000"}]}


def test_metadata_has_what_a_caller_needs():
    model = helpers.make_exportable(channels=4)
    rules = OutputRules(mask_threshold=0.4)
    model = replace(model, settings=model.settings._replace(image_range=4095, rules=rules), labels=LABELS)
    texts = portable.metadata(model)
    assert "Käse" in texts["labels"]
    assert json.loads(texts["settings"]) == {
        "format_version": 1, "class_names": ["bg", "cat", "dog"], "channels": 4, "image_range": 4095, "min_dim": 64,
        "max_dim": 64, "shape": "square", "image_resize": "exact", "maps": [], "score_threshold": 0.7,
        "detection_nms_iou_threshold": 0.3, "detections_per_image": 100, "mask_threshold": 0.4,
        "mask_paste": "bilinear", "round_boxes": "never",
    }  # fmt: skip


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
