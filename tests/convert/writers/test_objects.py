"""The objects of an annotation: masks, parts, scores, tags and extra fields in the upright image."""

import numpy as np
import pytest

from mrcnn.convert.writers import objects
from mrcnn.convert.writers.record import Losses
from mrcnn.errors import UserError
from mrcnn.project.annotation import CROWD_TAG, Annotation, Label, Tag
from mrcnn.project.geometry import Polygon, Rectangle, Unsupported
from mrcnn.project.skeletons import Graph, Point
from tests.convert.writers import making

SIZE = making.HEIGHT, making.WIDTH
PERSON = {
    "geometry_config": {
        "nodes": {"n1": {"label": "nose", "loc": [0, 0]}, "n2": {"label": "tail", "loc": [1, 1]}},
        "edges": [{"src": "n1", "dst": "n2"}],
    }
}


@pytest.fixture
def picture(tmp_path):
    return making.photograph(tmp_path / "a.png")


def instances(picture, *labels, fields=None, score_tag="confidence", size_hw=SIZE):
    """Makes the objects of labels; returns them and the losses."""
    losses = Losses()
    frame = objects.Frame(picture, size_hw)
    found = objects.instances_of(
        Annotation(size_hw, (), labels), frame, fields=fields or {}, score_tag=score_tag, losses=losses, where="a.png"
    )
    return found, losses


def canvas(item, size_hw=SIZE):
    (y, x), (height, width) = item.origin, item.mask.shape
    drawn = np.zeros(size_hw, bool)
    drawn[y : y + height, x : x + width] = item.mask
    return drawn


def test_instances_of_labels_with_score_tags_and_ids(picture):
    hole = making.SHAPES["hole"]
    label = making.label(hole, "cat", Tag("confidence", 0.25), Tag("wild"), id=7, description="asleep")
    (item,), losses = instances(picture, label, fields={"cat": {}})
    np.testing.assert_array_equal(canvas(item), hole)
    assert (item.title, item.score, item.tags, item.is_crowd) == ("cat", 0.25, (Tag("wild"),), False)
    assert (item.source_id, item.description, item.fields) == (7, "asleep", {})
    assert losses.lines() == []


def test_instances_of_another_score_tag(picture):
    label = making.label(making.SHAPES["square"], "cat", Tag("confidence", 0.25), Tag("p", "0.75"))
    (item,), _ = instances(picture, label, score_tag="p")
    assert (item.score, item.tags) == (0.75, (Tag("confidence", 0.25),))
    (item,), _ = instances(picture, label, score_tag="none")
    assert (item.score, len(item.tags)) == (None, 2)


@pytest.mark.parametrize("value", ["high", None, float("nan"), True])
def test_instances_of_a_score_that_is_no_number_keep_the_tag(picture, value):
    (item,), _ = instances(picture, making.label(making.SHAPES["square"], "cat", Tag("confidence", value)))
    assert (item.score, [tag.name for tag in item.tags]) == (None, ["confidence"])


def test_instances_of_parts_and_crowds(picture):
    one, two = making.boxes((0, 0, 2, 2)), making.boxes((10, 10, 13, 13))
    parts = [making.label(part, "cat", Tag("wild"), instance="x") for part in (one, two)]
    other = making.label(one, "dog", instance="x")
    crowd = making.label(two, "cat", Tag(CROWD_TAG), instance="x")
    found, losses = instances(picture, parts[0], other, parts[1], crowd)
    assert [(item.title, item.is_crowd, int(item.mask.sum())) for item in found] == [
        ("cat", False, 4 + 9),
        ("dog", False, 4),
        ("cat", True, 9),
    ]
    assert [item.tags for item in found] == [(Tag("wild"),), (), ()]
    np.testing.assert_array_equal(canvas(found[0]), one | two)
    assert losses.lines() == []


def test_instances_of_other_shapes(picture):
    ring = [[5, 4], [30, 4], [34, 20], [12, 33]]
    labels = [
        Label("cat", Polygon(ring)),
        Label("cat", Rectangle([[10, 3], [12, 4]])),
        Label("dog", Point([[7, 8]])),
        Label("dog", Rectangle([[70, 50], [80, 60]])),
        Label("dog", Unsupported("curve")),
    ]
    found, losses = instances(picture, *labels)
    assert [int(item.mask.sum()) for item in found[1:]] == [3 * 2, 1]
    mask, origin = labels[0].geometry.to_mask(*SIZE)
    np.testing.assert_array_equal(found[0].mask, mask)
    assert found[0].origin == origin
    assert losses.lines() == [
        "1 object left out, it has no pixel in the image: a.png object 3 (rectangle)",
        "1 object left out, its shape cannot be drawn: a.png object 4 (curve)",
        "1 object without an area, drawn one pixel wide: dog 1",
    ]
    assert losses.lost == {"dog": 2}


def test_instances_of_a_shape_that_takes_too_long_to_draw(picture, monkeypatch):
    def fail(*given):
        raise UserError("too long")

    monkeypatch.setattr(Polygon, "to_mask", fail)
    found, losses = instances(picture, Label("cat", Polygon([[0, 0], [5, 0], [5, 5]])))
    assert (found, losses.lines()) == (
        (),
        ["1 object left out, it cannot be drawn: a.png object 0 (too long)"],
    )


def test_instances_of_figures_that_have_no_place(picture):
    body = making.label(making.SHAPES["square"], "cat", instance="a")
    graph = Label("cat", Graph({"n1": {"loc": [12, 7]}}), (), {"instance": "a"})
    curve = Label("cat", Unsupported("curve"), (), {"instance": "a"})
    (item,), losses = instances(picture, body, graph, curve, fields=objects.fields_of({"cat": {}}))
    np.testing.assert_array_equal(canvas(item), making.SHAPES["square"])
    assert losses.lines() == [f"1 {objects.UNKNOWN_PART}: cat 1", f"1 {objects.UNNAMED}: cat 1"]


def test_instances_of_nothing(picture):
    assert instances(picture)[0] == ()


def test_fields_of_keypoints_of_a_project(picture):
    fields = objects.fields_of({"cat": {}, "person": PERSON})
    assert {title: [*own] for title, own in fields.items()} == {"cat": [], "person": ["keypoints"]}
    graph = Label(
        "person", Graph({"n1": {"loc": [12, 7]}, "n2": {"loc": [3, 4], "disabled": True}}), (), {"instance": "a"}
    )
    body = making.label(making.SHAPES["square"], "person", instance="a")
    (item,), losses = instances(picture, body, graph, fields=fields)
    # COCO: x, y of the pixel and 2 for visible, 1 for hidden
    assert item.fields == {"keypoints": [12, 7, 2, 3, 4, 1], "num_keypoints": 2}
    np.testing.assert_array_equal(canvas(item), making.SHAPES["square"])
    assert losses.lines() == []
    (item,), _ = instances(picture, body, fields=fields)
    assert item.fields == {}


def test_unique_counts_a_second_value():
    losses = Losses()
    assert objects.unique([Tag("a"), Tag("b", 1), Tag("a"), Tag("b", 2), Tag("b", 3)], "cat", losses) == (
        Tag("a"),
        Tag("b", 1),
    )
    assert losses.lines() == ["1 object with a second tag of one name, which is left out: cat 1"]
    assert objects.unique([], "cat", losses) == ()


def test_frame_of_an_image_annotated_upright(tmp_path):
    turned = making.photograph(tmp_path / "a.jpg", height=30, width=50, orientation=making.QUARTER_TURN)
    frame = objects.Frame(turned, (50, 30))
    assert (frame.upright_hw, frame.drawn_hw, frame.is_turned) == ((50, 30), (50, 30), False)
    assert objects.Frame(turned, None).drawn_hw == (50, 30)


def test_frame_turns_objects_of_an_image_annotated_as_stored(tmp_path):
    turned = making.photograph(tmp_path / "a.jpg", height=30, width=50, orientation=making.QUARTER_TURN)
    stored = making.boxes((0, 1, 2, 4), height=30, width=50)
    (item,), losses = instances(turned, making.label(stored), size_hw=(30, 50))
    # clockwise: row y becomes column 29 - y, column x row x; rows 0 and 1 are columns 28 and 29, columns 1 to 3 rows
    np.testing.assert_array_equal(canvas(item, (50, 30)), making.boxes((1, 28, 4, 30), height=50, width=30))
    assert losses.lines() == []


def test_frame_turns_no_extra_fields(tmp_path):
    turned = making.photograph(tmp_path / "a.jpg", height=30, width=50, orientation=making.QUARTER_TURN)
    graph = Label("person", Graph({"n1": {"loc": [12, 7]}}), (), {"instance": "a"})
    body = making.label(making.boxes((0, 1, 2, 4), height=30, width=50), "person", instance="a")
    (item,), losses = instances(turned, body, graph, fields=objects.fields_of({"person": PERSON}), size_hw=(30, 50))
    assert item.fields == {}
    assert len(losses.lines()) == 1


def test_frame_of_another_size_or_a_broken_file(tmp_path, picture):
    with pytest.raises(UserError, match=r"a\.png says 41x60, has 40x60"):
        objects.Frame(picture, (41, 60))
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"cannot decode the image .*b\.png"):
        objects.Frame(tmp_path / "b.png", SIZE)
