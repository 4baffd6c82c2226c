"""The metadata of exported files: all that a caller must know, and what `exported_settings` reads."""

import json
from dataclasses import replace

from mrcnn.export import metadata
from mrcnn.structures import OutputRules
from tests.export import helpers

LABELS = {"classes": [{"id": 1, "title": "Käse", "color": "#FF0000"}]}


def test_texts_have_what_a_caller_needs():
    model = helpers.make_exportable(channels=4)
    rules = OutputRules(mask_threshold=0.4)
    model = replace(model, settings=replace(model.settings, image_range=4095, rules=rules), labels=LABELS)
    texts = metadata.texts(model)
    assert "Käse" in texts["labels"]
    assert json.loads(texts["settings"]) == {
        "format_version": 1, "class_names": ["bg", "cat", "dog"], "channels": 4, "image_range": 4095, "min_dim": 64,
        "max_dim": 64, "shape": "square", "image_resize": "exact", "fit": "centred", "maps": [], "score_threshold": 0.7,
        "detection_nms_iou_threshold": 0.3, "detections_per_image": 100, "mask_threshold": 0.4,
        "mask_paste": "bilinear", "round_boxes": "never", "weights": "float32",
    }  # fmt: skip


def test_texts_have_what_is_known_of_the_model():
    model = replace(helpers.make_exportable(), known={"made_of": {"weights": "ab"}, "class_order": ["dog", "cat"]})
    found = json.loads(metadata.texts(model)["settings"])
    assert (found["made_of"], found["class_order"]) == ({"weights": "ab"}, ["dog", "cat"])


def test_with_weights_changes_their_kind_alone():
    texts = {"settings": '{"weights": "float32", "channels": 3}', "labels": "a"}
    assert metadata.with_weights(texts, "int8") == {"settings": '{"weights": "int8", "channels": 3}', "labels": "a"}
    assert metadata.with_weights({"labels": "a"}, "int8") == {"labels": "a"}
    assert metadata.with_weights({}, "int8") == {}
