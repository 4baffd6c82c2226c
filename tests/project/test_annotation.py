"""Checks reading and writing of annotations, new and old forms, and that unknown fields survive."""

import copy
from dataclasses import replace

import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.images import limits
from mrcnn.project.annotation import Annotation, Label, Tag, read
from mrcnn.project.geometry import Bitmap, Graph, Line, MultiPolygon, Point, Polygon, Unsupported
from mrcnn.project.meta import ClassMeta, ProjectMeta

META = ProjectMeta(
    tuple(ClassMeta(shape, shape) for shape in ("bitmap", "polygon", "rectangle", "any", "multipolygon", "point_cloud"))
)
BITMAP = Bitmap((3, 4), np.eye(2, dtype=bool)).to_json()["bitmap"]
SQUARE = {"exterior": [[0, 0], [4, 0], [4, 4], [0, 4]], "interior": []}

OLD = {
    "description": "seen",
    "name": "picture",
    "size": {"height": 30, "width": 40},
    "tags": ["train", {"name": "count", "value": 2}],
    "objects": [
        {"classTitle": "polygon", "description": "", "tags": ["blurred"], "bitmap": None, "points": SQUARE},
        {
            "classTitle": "bitmap",
            "description": "",
            "tags": [],
            "bitmap": BITMAP,
            "points": {"exterior": [], "interior": []},
        },
    ],
}
NEW = {
    "description": "",
    "size": {"height": 30, "width": 40},
    "tags": [{"name": "train", "value": None, "id": 4, "tagId": 5, "labelerLogin": "me", "createdAt": "2020"}],
    "customBigData": {"a": [1, 2]},
    "imageId": 9,
    "objects": [
        {
            "id": 2087123,
            "classId": 4130,
            "objectId": None,
            "description": "round",
            "geometryType": "bitmap",
            "shape": "bitmap",
            "labelerLogin": "admin",
            "createdAt": "2020-08-20T07:16:26.929Z",
            "instance": "abc",
            "nnCreated": True,
            "tags": [{"name": "sure", "value": 0.5}, {"name": "sure", "value": 0.75}],
            "classTitle": "bitmap",
            "bitmap": BITMAP,
        },
        {
            "classTitle": "point_cloud",
            "description": "",
            "geometryType": "point_cloud",
            "shape": "point_cloud",
            "tags": [],
            "indices": [1, 2],
        },
    ],
}


def test_old_form_is_read():
    annotation = Annotation.from_json(OLD, META)
    assert annotation.size_hw == (30, 40)
    assert annotation.description == "seen"
    assert annotation.tags == (Tag("train"), Tag("count", 2))
    polygon, bitmap = annotation.labels
    assert (polygon.class_title, polygon.tags) == ("polygon", (Tag("blurred"),))
    assert isinstance(polygon.geometry, Polygon)
    assert bitmap.geometry.origin_xy == (3, 4)


def test_annotation_old_form_is_written_in_the_new_one_and_loses_nothing():
    written = Annotation.from_json(OLD, META).to_json()
    assert written["name"] == "picture"
    assert written["tags"] == [{"name": "train", "value": None}, {"name": "count", "value": 2}]
    for before, after in zip(OLD["objects"], written["objects"], strict=True):
        new_keys = {"geometryType": before["classTitle"], "shape": before["classTitle"]}
        tags = [{"name": name, "value": None} for name in before["tags"]]
        assert after == {**before, **new_keys, "tags": tags}


def test_new_form_is_written_as_it_was_read():
    source = copy.deepcopy(NEW)
    assert Annotation.from_json(source, META).to_json() == NEW
    assert source == NEW


def test_made_annotation_survives():
    label = Label("bitmap", Bitmap((1, 2), np.ones((2, 2), bool)), (Tag("confidence", 0.9876),))
    written = Annotation((5, 6), (Tag("val"),), (label,)).to_json()
    assert written["size"] == {"height": 5, "width": 6}
    assert written["objects"][0]["geometryType"] == written["objects"][0]["shape"] == "bitmap"
    assert written["objects"][0]["tags"] == [{"name": "confidence", "value": 0.9876}]
    again = Annotation.from_json(written, META)
    assert again.to_json() == written
    assert again.labels[0].geometry.mask.all()


def test_empty_annotation():
    annotation = Annotation.from_json({"size": {"height": 1, "width": 2}, "tags": [], "objects": []}, META)
    assert annotation == Annotation((1, 2))
    assert annotation.unsupported_shapes() == {}


def test_annotation_unknown_size_of_linked_images_is_none():
    data = {"size": {"height": None, "width": None}, "tags": [], "objects": []}
    annotation = Annotation.from_json(data, META)
    assert annotation.size_hw is None
    assert annotation.to_json()["size"] == data["size"]


def test_annotation_the_class_decides_the_shape_and_not_the_object():
    data = {"classTitle": "polygon", "geometryType": "bitmap", "tags": [], "points": SQUARE}
    assert isinstance(Label.from_json(data, META).geometry, Polygon)


@pytest.mark.parametrize("keys", [{"geometryType": "bitmap", "shape": "polygon"}, {"shape": "bitmap"}])
def test_annotation_an_object_of_class_any_decides_itself(keys):
    label = Label.from_json({"classTitle": "any", "tags": [], "bitmap": BITMAP, **keys}, META)
    assert isinstance(label.geometry, Bitmap)
    assert label.to_json()["geometryType"] == "bitmap"


def test_unsupported_shapes_are_counted():
    annotation = Annotation.from_json({**NEW, "objects": NEW["objects"] * 2}, META)
    assert annotation.unsupported_shapes() == {"point_cloud": 2}
    assert isinstance(annotation.labels[1].geometry, Unsupported)


def test_thin_shapes_are_counted():
    meta = ProjectMeta((ClassMeta("any", "any"),))
    objects = [
        {"classTitle": "any", "geometryType": shape, "tags": [], "points": {"exterior": [[1, 2]], "interior": []}}
        for shape in ("point", "line", "point", "polygon")
    ]
    annotation = Annotation.from_json({**NEW, "objects": objects}, meta)
    assert annotation.thin_shapes() == {"point": 2, "line": 1}


def test_annotation_unknown_fields_inside_the_geometry_survive():
    objects = [
        {"classTitle": "bitmap", "tags": [], "bitmap": {**BITMAP, "smooth": True}},
        {"classTitle": "polygon", "tags": [], "points": {**SQUARE, "closed": 1}},
    ]
    written = Annotation.from_json({**OLD, "objects": objects}, META).to_json()["objects"]
    assert [{key: item[key] for key in source} for item, source in zip(written, objects, strict=True)] == objects


def test_annotation_unknown_fields_inside_the_parts_of_a_polygon_survive():
    meta = ProjectMeta((ClassMeta("many", "multipolygon"),))
    parts = [{**SQUARE, "id": 7}, SQUARE, {**SQUARE, "id": 9, "author": "me"}]
    annotation = Annotation.from_json(
        {**OLD, "tags": [], "objects": [{"classTitle": "many", "tags": [], "parts": parts}]}, meta
    )
    assert annotation.to_json()["objects"][0]["parts"] == parts
    assert len(MultiPolygon((annotation.labels[0].geometry.parts[0],)).to_json()["parts"]) == 1


def test_annotation_unknown_fields_inside_the_size_survive():
    size = {"height": 30, "width": 40, "depth": 8}
    annotation = Annotation.from_json({**OLD, "size": size}, META)
    assert annotation.to_json()["size"] == size
    assert replace(annotation, size_hw=(3, 4)).to_json()["size"] == {"height": 3, "width": 4, "depth": 8}


def test_annotation_a_geometry_that_is_no_text_is_an_unsupported_shape():
    annotation = Annotation.from_json({**OLD, "objects": [{"classTitle": "any", "tags": [], "shape": []}]}, META)
    assert annotation.unsupported_shapes() == {"any": 1}
    annotation = Annotation.from_json({**OLD, "objects": [{"classTitle": "any", "tags": [], "shape": [1]}]}, META)
    assert annotation.unsupported_shapes() == {"[1]": 1}


def test_annotation_a_whole_size_may_be_written_as_a_fraction():
    annotation = Annotation.from_json({**OLD, "size": {"height": 30.0, "width": 40}}, META)
    assert annotation.to_json()["size"] == {"height": 30, "width": 40}
    assert isinstance(annotation.size_hw[0], int)


def test_all_tags():
    names = [tag.name for tag in Annotation.from_json(OLD, META).all_tags()]
    assert names == ["train", "count", "blurred"]


def test_every_problem_is_found_and_the_rest_is_read():
    objects = [3, OLD["objects"][0], {"classTitle": "plum", "tags": []}]
    annotation, problems, places = read({**OLD, "size": None, "tags": 5, "objects": objects}, META)
    assert [problem.split(" ")[:2] for problem in problems] == [
        ["object", "0:"],
        ["object", "2:"],
        ["an", "annotation"],
        ["`tags`", "must"],
    ]
    assert (annotation.size_hw, annotation.tags, annotation.description) == (None, (), "seen")
    assert [label.class_title for label in annotation.labels] == ["polygon"]
    assert places == (1,)
    assert read([], META) == (Annotation(None), ("an annotation must be a JSON object, got []",), ())


def test_has_tag():
    annotation = Annotation.from_json(OLD, META)
    assert annotation.has_tag("train")
    assert not annotation.has_tag("val")
    assert annotation.labels[0].has_tag("blurred")
    assert not annotation.labels[1].has_tag("blurred")


def _with_object(**changes):
    item = {"classTitle": "polygon", "tags": [], "points": SQUARE, **changes}
    return {"objects": [OLD["objects"][1], {key: value for key, value in item.items() if value != "absent"}]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objects": None}, "list `objects`"),
        ({"tags": None}, "`tags` must be a list"),
        ({"tags": [3]}, "a name or an object with a `name`"),
        ({"tags": [""]}, "a name or an object with a `name`"),
        ({"tags": [{"name": ""}]}, "a name or an object with a `name`"),
        ({"tags": [{"value": 3}]}, "a name or an object with a `name`"),
        ({"size": None}, "`size`"),
        ({"size": {"height": 3}}, "`size`"),
        ({"size": {"height": 3, "width": 0}}, "whole numbers above 0"),
        ({"size": {"height": 3, "width": 2.5}}, "whole numbers above 0"),
        ({"size": {"height": True, "width": 2}}, "whole numbers above 0"),
        ({"objects": [3]}, "object 0: an object needs a text `classTitle`"),
        (_with_object(classTitle="absent"), "object 1: an object needs a text `classTitle`"),
        (_with_object(classTitle="plum"), "object 1: class 'plum' is not in the project's meta.json"),
        (_with_object(tags="absent"), "object 1: `tags` must be a list"),
        (_with_object(points="absent"), "object 1: `points`"),
        (_with_object(classTitle="bitmap", bitmap={"origin": [0, 0], "data": "?"}), "object 1: a bitmap's `data`"),
    ],
)
def test_malformed_annotation_is_one_line(changes, message):
    with pytest.raises(UserError, match=message) as caught:
        Annotation.from_json({**OLD, **changes}, META)
    assert "\n" not in str(caught.value)


def test_an_annotation_is_an_object():
    with pytest.raises(UserError, match="JSON object"):
        Annotation.from_json([], META)


def test_read_decodes_no_more_bitmaps_than_there_is_room_for(monkeypatch):
    meta = ProjectMeta((ClassMeta("cell"),))
    item = {"classTitle": "cell", "tags": [], **Bitmap((0, 0), np.ones((50, 50), bool)).to_json()}
    content = {"size": {"height": 50, "width": 50}, "tags": [], "objects": [item] * 20}
    assert not read(content, meta).problems
    one = read({**content, "objects": [item]}, meta).annotation.labels[0].geometry.decoded_bytes
    monkeypatch.setattr(limits, "DECODED", 3 * one)
    found = read(content, meta)
    assert len(found.annotation.labels) == 4  # the fourth goes over the limit
    assert len(found.problems) == 16
    assert "object 4: the annotation: its bitmaps together would take" in found.problems[0]


def test_a_tag_name_that_no_file_can_hold_is_refused():
    with pytest.raises(UserError, match=r"the tag name .* holds half of a character"):
        Tag.from_json({"name": "\ud83d"})


def test_attached_finds_keypoints_beside_another_figure_of_their_object():
    nodes, crowd = Graph({"a": {"loc": [1, 1]}}), (Tag("iscrowd"),)
    labels = (
        Label("cat", nodes, extra={"instance": "x"}),
        Label("cat", Line([[2, 2], [3, 2]]), extra={"instance": "x"}),
        Label("dog", nodes, extra={"instance": "x"}),  # another class is another object
        Label("cat", nodes, crowd, extra={"instance": "x"}),
        Label("cat", nodes, extra={"instance": "y"}),
        Label("cat", nodes, extra={"instance": "y"}),
        Label("cat", nodes, extra={"instance": ""}),
    )
    made = Annotation((8, 9), (), labels)
    assert made.attached() == {0}
    assert made.attached({"line"}) == {1}
    assert made.attached({"line", "graph"}) == Annotation((8, 9)).attached() == set()
    assert made.thin_shapes() == {"graph": 5, "line": 1}
    assert made.thin_shapes({"line"}) == {"graph": 6}
    assert [label.instance for label in labels[3:]] == ["x", "y", "y", None]


def test_attached_finds_the_labelled_points_of_an_object():
    bound = {"extra": {"instance": "x"}}
    point = Point([[2, 2]])
    labels = (Label("cat", Line([[2, 2], [3, 2]]), **bound), Label("cat", point, **bound), Label("cat", point))
    assert Annotation((8, 9), (), labels).attached() == {1}


def test_objects_groups_the_figures_of_an_instance():
    point, crowd = Point([[2, 2]]), (Tag("iscrowd"),)
    first, second, other, alone, part = (
        Label("cat", point, extra={"instance": "x"}),
        Label("cat", point, extra={"instance": "x"}),
        Label("dog", point, extra={"instance": "x"}),  # another class is another object
        Label("cat", point),
        Label("cat", point, crowd, extra={"instance": "x"}),
    )
    made = Annotation((8, 9), (), (first, other, alone, second, part))
    assert made.objects() == ((first, second), (other,), (alone,), (part,))
    assert Annotation((8, 9)).objects() == ()
