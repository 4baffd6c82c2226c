"""Detections under the names an inference mode asks for."""

import numpy as np
import pytest

from mrcnn.config.load import load_mode
from mrcnn.events import UserError
from mrcnn.infer import labels
from mrcnn.project.meta import ClassMeta, ProjectMeta, TagMeta

from . import helpers

METAS = (ClassMeta("dog", "bitmap", "#0000FF"), ClassMeta("cat", "bitmap", "#00FF00"))  # the folder's own order
DETECTIONS = helpers.make_detections([[1, 2, 4, 6], [0, 0, 2, 2]], ["dog", "cat"], [0.987654, 0.5], size=(8, 10))


def make_naming(classes=None, tags=None, confidence_tag="confidence", suffix="_maskrcnn"):
    values = {"name": "full_image", "model_classes": classes or {}, "model_tags": tags or {}}
    return labels.name_labels(("cat", "dog"), load_mode(values, default_suffix=suffix), confidence_tag=confidence_tag)


def make_meta(classes=(), tags=()):
    return labels.output_meta(ProjectMeta(tuple(classes), tuple(tags), {"projectType": "images"}), METAS, make_naming())


def test_one_bitmap_with_a_rounded_score_per_detection():
    dog, cat = labels.make_labels(DETECTIONS, make_naming())
    assert (dog.class_title, cat.class_title) == ("dog_maskrcnn", "cat_maskrcnn")
    assert [(tag.name, tag.value) for tag in dog.tags] == [("confidence_maskrcnn", 0.9877)]
    assert dog.geometry.origin_xy == (2, 1)
    np.testing.assert_array_equal(dog.geometry.mask, np.ones((3, 4), bool))
    assert dog.to_json()["geometryType"] == "bitmap"


def test_bitmap_keeps_holes():
    detections = helpers.make_detections([[1, 2, 4, 6]], ["dog"], [0.9], size=(8, 10))
    detections.masks[0, 2, 3] = False
    (label,) = labels.make_labels(detections, make_naming())
    drawn, corner = label.geometry.to_mask(8, 10)
    assert corner == (1, 2)
    np.testing.assert_array_equal(drawn, detections.masks[0, 1:4, 2:6])
    assert not drawn[1, 1]


@pytest.mark.parametrize("key", ["save_names", "save_classes"])
def test_selection_drops_other_classes(key):
    naming = make_naming({key: ["cat", "horse"], "add_suffix": "!"})
    assert [label.class_title for label in labels.make_labels(DETECTIONS, naming)] == ["cat!"]
    chosen = labels.select(DETECTIONS, naming)
    assert chosen.class_names == ("cat",)
    np.testing.assert_array_equal(chosen.boxes, [[0, 0, 2, 2]])
    np.testing.assert_array_equal(chosen.masks, DETECTIONS.masks[1:])
    np.testing.assert_array_equal(chosen.class_ids, [1])
    np.testing.assert_array_equal(chosen.scores, np.float32([0.5]))
    meta = labels.output_meta(ProjectMeta(), METAS, naming)
    assert [item.title for item in meta.classes] == ["cat!"]


def test_empty_selection_writes_nothing():
    naming = make_naming({"save_names": []})
    assert labels.make_labels(DETECTIONS, naming) == ()
    assert labels.output_meta(ProjectMeta(), METAS, naming).classes == ()


def test_no_detection():
    assert labels.make_labels(helpers.make_detections([], [], [], size=(8, 10)), make_naming()) == ()


@pytest.mark.parametrize(
    ("tags", "name", "expected"),
    [
        ({"save_names": []}, "confidence", None),
        ({"save_names": ["other"]}, "confidence", None),
        ({"save_names": ["score"], "add_suffix": "_x"}, "score", "score_x"),
        ({"add_suffix": ""}, "", None),
        ({"add_suffix": "_x"}, "", "_x"),
    ],
)
def test_confidence_tag(tags, name, expected):
    naming = make_naming(tags=tags, confidence_tag=name)
    assert naming.tag == expected
    written = [[tag.name for tag in label.tags] for label in labels.make_labels(DETECTIONS, naming)]
    assert written == [[expected] if expected else []] * 2
    assert [tag.name for tag in labels.output_meta(ProjectMeta(), METAS, naming).tags] == (
        [expected] if expected else []
    )


def test_meta_gets_renamed_classes_in_the_models_order_and_colour():
    old = ClassMeta("cat", "polygon", "#123456")
    meta = make_meta([old], [TagMeta("train")])
    assert [item.title for item in meta.classes] == ["cat", "dog_maskrcnn", "cat_maskrcnn"]
    assert meta.classes[0] == old
    assert [(item.shape, item.color) for item in meta.classes[1:]] == [("bitmap", "#0000FF"), ("bitmap", "#00FF00")]
    assert [(item.name, item.value_type) for item in meta.tags] == [
        ("train", "none"),
        ("confidence_maskrcnn", "any_number"),
    ]
    assert meta.extra == {"projectType": "images"}


def test_second_run_uses_the_names_again():
    first = make_meta()
    assert make_meta(first.classes, first.tags) == first


def test_class_of_any_shape_can_hold_bitmaps():
    meta = make_meta([ClassMeta("cat_maskrcnn", "any", "#123456")])
    assert [(item.title, item.shape) for item in meta.classes] == [("cat_maskrcnn", "any"), ("dog_maskrcnn", "bitmap")]


def test_clash_of_class_names_says_what_to_change():
    with pytest.raises(UserError, match=r"'cat_maskrcnn' has shape polygon .*`mode\.model_classes\.add_suffix`"):
        make_meta([ClassMeta("cat_maskrcnn", "polygon")])


def test_clash_of_tag_names_says_what_to_change():
    with pytest.raises(UserError, match=r"'confidence_maskrcnn' has value_type any_string .*`mode\.model_tags\.add_s"):
        make_meta(tags=[TagMeta("confidence_maskrcnn", "any_string")])


def test_clash_with_a_class_that_is_not_written_does_not_matter():
    naming = make_naming({"save_names": ["dog"], "add_suffix": ""})
    meta = labels.output_meta(ProjectMeta((ClassMeta("cat", "polygon"),)), METAS, naming)
    assert [item.title for item in meta.classes] == ["cat", "dog"]
