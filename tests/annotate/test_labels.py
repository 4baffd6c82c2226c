"""Detections under the names an inference mode asks for."""

from dataclasses import replace

import numpy as np
import pytest

from mrcnn.annotate import labels
from mrcnn.config.load import load_mode
from mrcnn.errors import UserError
from mrcnn.fields.table import FIELDS
from mrcnn.predict import compact
from mrcnn.predict.regions import Found, Part
from mrcnn.project.annotation import Annotation, Label, Tag
from mrcnn.project.geometry import Rectangle
from mrcnn.project.meta import ClassMeta, ProjectMeta, TagMeta
from mrcnn.structures import SemanticRules
from tests.fields import toy
from tests.predict import helpers

METAS = (ClassMeta("dog", "bitmap", "#0000FF"), ClassMeta("cat", "bitmap", "#00FF00"))  # the folder's own order
DETECTIONS = helpers.make_compact([[1, 2, 4, 6], [0, 0, 2, 2]], ["dog", "cat"], [0.987654, 0.5], size=(8, 10))
NOTHING = compact.empty((8, 10))
TREE = Label("tree", Rectangle([[0, 0], [3, 3]]))
CAR = Label("car", Rectangle([[4, 4], [5, 5]]))


def add(naming, *parts, known=()):
    """Returns the labels of an image with these parts found beside known labels."""
    return labels.annotate(Annotation((8, 10), labels=tuple(known)), Found(parts, (8, 10)), naming).labels


def make_naming(classes=None, tags=None, confidence_tag="confidence", suffix="_maskrcnn"):
    values = {"name": "full_image", "model_classes": classes or {}, "model_tags": tags or {}}
    return labels.name_labels(("cat", "dog"), load_mode(values, default_suffix=suffix), confidence_tag=confidence_tag)


def make_meta(classes=(), tags=()):
    return labels.output_meta(ProjectMeta(tuple(classes), tuple(tags), {"projectType": "images"}), METAS, make_naming())


def test_name_labels_one_bitmap_with_a_rounded_score_per_detection():
    dog, cat = add(make_naming(), Part(DETECTIONS))
    assert (dog.class_title, cat.class_title) == ("dog_maskrcnn", "cat_maskrcnn")
    assert [(tag.name, tag.value) for tag in dog.tags] == [("confidence_maskrcnn", 0.9877)]
    assert dog.geometry.origin_xy == (2, 1)
    np.testing.assert_array_equal(dog.geometry.mask, np.ones((3, 4), bool))
    assert dog.to_json()["geometryType"] == "bitmap"


def test_name_labels_bitmap_keeps_holes():
    dense = helpers.make_detections([[1, 2, 4, 6]], ["dog"], [0.9], size=(8, 10))
    dense.masks[0, 2, 3] = False
    (label,) = add(make_naming(), Part(compact.from_dense(dense)))
    drawn, corner = label.geometry.to_mask(8, 10)
    assert corner == (1, 2)
    np.testing.assert_array_equal(drawn, dense.masks[0, 1:4, 2:6])
    assert not drawn[1, 1]


@pytest.mark.parametrize("key", ["save_names", "save_classes"])
def test_name_labels_selection_drops_other_classes(key):
    naming = make_naming({key: ["cat", "horse"], "add_suffix": "!"})
    assert [label.class_title for label in add(naming, Part(DETECTIONS))] == ["cat!"]
    chosen = labels.select(DETECTIONS, naming)
    assert chosen.class_names == ("cat",)
    np.testing.assert_array_equal(chosen.boxes, [[0, 0, 2, 2]])
    assert [mask.box for mask in chosen.masks] == [(0, 0, 2, 2)]
    np.testing.assert_array_equal(chosen.class_ids, [1])
    np.testing.assert_array_equal(chosen.scores, np.float32([0.5]))
    meta = labels.output_meta(ProjectMeta(), METAS, naming)
    assert [item.title for item in meta.classes] == ["cat!"]


def test_name_labels_empty_selection_writes_nothing():
    naming = make_naming({"save_names": []})
    assert add(naming, Part(DETECTIONS)) == ()
    assert labels.output_meta(ProjectMeta(), METAS, naming).classes == ()


def test_name_labels_no_detection():
    assert add(make_naming(), Part(NOTHING)) == ()
    assert add(make_naming()) == ()


def make_box_naming(**mode):
    return labels.name_labels(("cat", "dog"), load_mode(mode), confidence_tag="confidence")


def test_name_labels_known_labels_stay_and_new_ones_follow():
    new = add(make_naming(), Part(DETECTIONS), known=[TREE, CAR])
    assert new[:2] == (TREE, CAR)
    assert [label.class_title for label in new[2:]] == ["dog_maskrcnn", "cat_maskrcnn"]


def keep(values, **mode):
    return labels.name_labels(
        ("cat", "dog"), load_mode({**mode, "existing_objects": values}), confidence_tag="confidence"
    )


@pytest.mark.parametrize(
    ("values", "titles"),
    [
        ({}, ["tree", "car"]),
        ({"save_names": "__all__"}, ["tree", "car"]),
        ({"save_names": ["car", "horse"]}, ["car"]),
        ({"save_classes": ["tree"], "add_suffix": "_gt"}, ["tree_gt"]),
        ({"add_suffix": "_gt"}, ["tree_gt", "car_gt"]),
        ({"save_names": []}, []),
    ],
)
def test_name_labels_known_labels_stay_as_the_mode_says(values, titles):
    *kept, dog, cat = add(keep(values), Part(DETECTIONS), known=[TREE, CAR])
    assert [label.class_title for label in kept] == titles
    assert (dog.class_title, cat.class_title) == ("dog_model", "cat_model")


def test_a_renamed_label_keeps_all_but_its_class():
    tree = Label("tree", TREE.geometry, (Tag("seen", 3),), {"labelerLogin": "ann", "classId": 7, "id": 5})
    (renamed,) = add(keep({"add_suffix": "!"}), known=[tree])
    assert renamed == Label("tree!", TREE.geometry, (Tag("seen", 3),), {"labelerLogin": "ann", "id": 5})
    assert add(keep({}), known=[tree]) == (tree,)


def test_what_was_found_for_an_object_stays_where_the_object_was():
    naming = keep({"save_names": ["car"]}, name="bboxes", save=True)
    parts = [Part(DETECTIONS, 0, (0, 0, 4, 4)), Part(NOTHING, 1, (4, 4, 6, 6))]
    titles = [label.class_title for label in add(naming, *parts, known=[TREE, CAR])]
    assert titles == ["dog", "cat", "tree_input_bbox", "car_input_bbox", "car"]


def test_a_renamed_class_is_added_in_the_same_shape_and_colour():
    tree = ClassMeta("tree", "graph", "#123456", {"geometry_config": {"nodes": {}}, "id": 7, "hotkey": "T"})
    meta = ProjectMeta((tree, ClassMeta("car", "polygon", "#654321")))
    new = labels.output_meta(meta, METAS, keep({"save_names": ["tree", "horse"], "add_suffix": "_gt"})).classes
    assert [item.title for item in new] == ["tree", "car", "dog_model", "cat_model", "tree_gt"]
    assert new[:2] == meta.classes
    assert new[4] == ClassMeta("tree_gt", "graph", "#123456", {"geometry_config": {"nodes": {}}})


@pytest.mark.parametrize("values", [{}, {"save_names": []}, {"save_names": [], "add_suffix": "_gt"}])
def test_without_a_renamed_class_none_is_added(values):
    meta = ProjectMeta((ClassMeta("tree", "polygon", "#123456"),))
    assert [item.title for item in labels.output_meta(meta, METAS, keep(values)).classes] == [
        "tree",
        "dog_model",
        "cat_model",
    ]


@pytest.mark.parametrize(
    ("taken", "suffix", "message"),
    [
        (ClassMeta("tree_gt", "bitmap"), "_gt", "class 'tree_gt' has shape bitmap but existing objects are polygons"),
        (ClassMeta("t", "line"), "", None),
        (ClassMeta("tree_gt", "any"), "_gt", None),
        (ClassMeta("tree_gt", "polygon"), "_gt", None),
    ],
)
def test_a_clash_of_a_renamed_class_says_what_to_change(taken, suffix, message):
    meta = ProjectMeta((ClassMeta("tree", "polygon"), taken))
    naming = keep({"save_names": ["tree"], "add_suffix": suffix})
    if message is None:
        assert len(labels.output_meta(meta, METAS, naming).classes) == 4
    else:
        with pytest.raises(UserError, match=rf"{message}; change `mode.existing_objects.add_suffix` so that the"):
            labels.output_meta(meta, METAS, naming)


def test_a_renamed_class_must_fit_the_models_too():
    meta = ProjectMeta((ClassMeta("cat", "polygon"),))
    with pytest.raises(UserError, match=r"'cat_model' has shape bitmap but existing objects are polygons"):
        labels.output_meta(meta, METAS, keep({"add_suffix": "_model"}))


def test_a_saved_region_is_a_rectangle_whose_ends_are_inside():
    naming = make_box_naming(name="roi", save=True, class_name="looked_at")
    *_, region = add(naming, Part(DETECTIONS, box=(1, 2, 7, 9)))
    assert region.class_title == "looked_at"
    assert region.to_json()["points"] == {"exterior": [[2, 1], [8, 6]], "interior": []}
    assert region.tags == ()


@pytest.mark.parametrize("name", ["roi", "sliding_window", "sliding_window_det", "bboxes"])
def test_a_region_that_is_not_saved_is_not_written(name):
    naming = make_box_naming(name=name)
    assert (naming.region, naming.object_suffix) == (None, None)


def test_what_was_found_for_an_object_stands_before_it():
    naming = make_box_naming(name="bboxes", save=True)
    parts = [Part(DETECTIONS, 1, (4, 4, 6, 6)), Part(NOTHING, 2, (0, 0, 4, 4))]
    titles = [label.class_title for label in add(naming, *parts, known=[CAR, TREE, CAR])]
    assert titles == ["car", "dog", "cat", "tree_input_bbox", "tree", "car_input_bbox", "car"]


def test_meta_of_a_region():
    naming = make_box_naming(name="roi", save=True)
    item = labels.output_meta(ProjectMeta(), METAS, naming).find_class("inference_roi")
    assert item.shape == "rectangle"
    assert item == labels.output_meta(ProjectMeta(), METAS, naming).find_class("inference_roi")  # colour and all


def test_meta_of_objects_boxes_has_their_colours():
    meta = ProjectMeta((ClassMeta("tree", "polygon", "#123456"), ClassMeta("car", "bitmap", "#654321")))
    naming = make_box_naming(name="bboxes", save=True, from_classes=["tree", "horse"], add_suffix="!")
    new = labels.output_meta(meta, METAS, naming).classes[2:]
    assert [(item.title, item.shape) for item in new] == [("dog", "bitmap"), ("cat", "bitmap"), ("tree!", "rectangle")]
    assert new[2].color == "#123456"
    naming = make_box_naming(name="bboxes", save=True)
    assert labels.output_meta(meta, METAS, naming).find_class("car_input_bbox").color == "#654321"


@pytest.mark.parametrize(
    ("title", "shape", "mode", "message"),
    [
        ("inference_roi", "polygon", {"name": "roi"}, r"'inference_roi' has shape polygon but regions are rectangles; "
         r"change `mode.class_name`"),
        ("cat", "rectangle", {"name": "roi"}, r"'cat' has shape rectangle but detections are bitmaps; "
         r"change `mode.model_classes.add_suffix`"),
        ("horse", "any", {"name": "roi", "class_name": "dog"}, r"'dog' has shape bitmap but regions are rectangles"),
        ("horse", "line", {"name": "bboxes", "add_suffix": ""}, r"'horse' has shape line but boxes are rectangles; "
         r"change `mode.add_suffix`"),
    ],
)  # fmt: skip
def test_clashes_of_regions_say_what_to_change(title, shape, mode, message):
    meta = ProjectMeta((ClassMeta(title, shape, "#123456"),))
    with pytest.raises(UserError, match=message):
        labels.output_meta(meta, METAS, make_box_naming(save=True, **mode))


@pytest.mark.parametrize(
    "mode", [{"name": "roi"}, {"name": "bboxes", "from_classes": ["tree"]}, {"name": "sliding_window"}]
)
def test_a_second_run_uses_the_names_of_regions_again(mode):
    naming = make_box_naming(save=True, **mode)
    first = labels.output_meta(ProjectMeta((ClassMeta("tree", "any", "#123456"),)), METAS, naming)
    assert labels.output_meta(first, METAS, naming) == first


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
    written = [[tag.name for tag in label.tags] for label in add(naming, Part(DETECTIONS))]
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


def test_annotate_and_output_meta_have_the_figures_of_fields(monkeypatch):
    monkeypatch.setitem(FIELDS, "point", toy.Dot())
    naming = labels.name_labels(("cat", "dog"), load_mode({"name": "full_image"}), confidence_tag="", fields=["point"])
    points = np.array([[2, 3], [0, 1]], np.float32)
    dog, dog_point, cat, cat_point = add(naming, Part(DETECTIONS._replace(extras={"point": points})))
    assert [dog_point.geometry.points.tolist(), cat_point.geometry.points.tolist()] == [[[3, 2]], [[1, 0]]]
    assert dog.extra == dog_point.extra != cat.extra == cat_point.extra
    title = dog.class_title
    assert [item.shape for item in labels.output_meta(ProjectMeta(), METAS, naming).classes] == ["any", "any"]
    with pytest.raises(UserError, match="has shape bitmap but detections are figures of several shapes; change"):
        labels.output_meta(ProjectMeta((ClassMeta(title, "bitmap"),)), METAS, naming)


def test_annotate_puts_stuff_below_and_leaves_out_what_the_merge_drops():
    rules = SemanticRules(("sky", "road"), stuff_area=10)
    naming = replace(make_naming(), titles={"dog": "dog", "sky": "Sky", "road": "Road"}, semantic=rules)
    drawn = np.zeros((8, 10), np.uint8)
    drawn[:4] = 1  # 40 pixels, of which the dog covers 3 x 4 and the cat, which scores 0.5, 2 x 2
    drawn[7, :9] = 2  # 9 pixels are too few
    sky, dog = add(naming, Part(DETECTIONS._replace(maps={"semantic": drawn})))
    assert (sky.class_title, dog.class_title) == ("Sky", "dog")
    assert sky.tags == ()
    assert sky.geometry.mask.sum() == 40 - 12 - 4
    assert [label.class_title for label in add(naming, Part(DETECTIONS))] == ["dog"]  # without a map
