"""Samples of a source; those of a project are in `test_supervisely.py`, of COCO files in `test_coco.py`."""

import io
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from mrcnn.data.sources import samples
from mrcnn.data.sources.source import Sets, Settings, Source
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.fields.table import FIELDS
from mrcnn.project.annotation import Annotation, Label, Tag
from mrcnn.project.geometry import Bitmap, Graph, Line, Point, Rectangle
from mrcnn.project.meta import ClassMeta, ProjectMeta
from tests.fields import toy

PIXELS = Bitmap((1, 2), np.ones((2, 3), bool))


class Image(NamedTuple):
    """An image of a made up source; without labels its annotation is broken."""

    name: str
    labels: tuple | None
    dataset: str = "d"
    image_path: str = "x.png"
    ann_path: str = "x.txt"

    def read_annotation(self, meta):
        if self.labels is None:
            raise UserError("it is broken")
        return Annotation((8, 9), (), self.labels)


def first_validates(items, annotations, settings):
    return Sets(tuple(range(1, len(items))), (0,), ("the training images", "the first image"), "draw some", " of many")


def source(*items, **fields):
    return Source("made up", ProjectMeta((ClassMeta("a"), ClassMeta("b"))), items, first_validates, **fields)


A, B, CROWD = Label("a", PIXELS), Label("b", PIXELS), Label("b", PIXELS, (Tag("iscrowd"),))


def test_load_samples_of_any_source():
    loaded = samples.load_samples(source(Image("v", (A,)), Image("t", (A, CROWD))), Settings())
    assert loaded.class_title_to_idx == {"bg": 0, "a": 1, "b": 2}
    assert [sample.name for sample in loaded.train] == ["d/t"]
    assert (loaded.train[0].class_ids, loaded.train[0].ignore) == ((1, 2), (False, True))
    assert [sample.name for sample in loaded.val] == ["d/v"]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ((Image("v", (CROWD,)), Image("t", (A,))), "^the first image have no object of a class to learn; draw some$"),
        ((Image("v", (A,)), Image("t", ())), "^the training images have no object of a class to learn; draw some$"),
        ((Image("v", (A,)), Image("t", None), Image("u", None)), "too many images cannot be used: 2 of 3 images"),
    ],
)
def test_load_samples_refuses_what_teaches_nothing(items, message):
    with pytest.raises(UserError, match=message):
        samples.load_samples(source(*items), Settings())


def test_load_samples_counts_what_was_left_out_before():
    items = (Image("v", (A,)), Image("t", (A,)))
    assert len(samples.load_samples(source(*items, left_out=2), Settings()).train) == 1
    with pytest.raises(UserError, match=r"^too many images cannot be used: 3 of 5 are left out: gone; burnt$"):
        samples.load_samples(source(*items, left_out=3, warnings=("gone", "burnt")), Settings())


def test_load_samples_names_the_place_of_the_classes():
    with pytest.raises(UserError, match=r"^the first line has no class to learn besides the background 'a' and the"):
        samples.load_samples(source(Image("v", ()), classes_in="the first line"), Settings(background="a", neutral="b"))


def test_make_sample_names_the_file_of_an_unknown_class():
    with pytest.raises(UserError, match=r"^x\.txt: class 'b' is none of \['a', 'bg'\]$"):
        samples.make_sample(Image("t", ()), Annotation((8, 9), (), (B,)), class_title_to_idx={"bg": 0, "a": 1})


BOUND = Label("a", PIXELS, extra={"instance": "x"}), Label("a", Point([[7, 6]]), extra={"instance": "x"})
DOT = Label("a", Point([[5, 4]]))


def test_make_sample_reads_a_field_of_all_figures_and_draws_the_others(monkeypatch):
    classes, annotation = {"bg": 0, "a": 1}, Annotation((8, 9), (), (*BOUND, DOT))
    line = Label("a", Line([[7, 6], [7, 6]]), extra={"instance": "x"})
    with_line = Annotation((8, 9), (), (*BOUND, line, DOT))
    plain = samples.make_sample(Image("t", ()), with_line, class_title_to_idx=classes)
    assert [label.to_mask(8, 9)[0].shape for label in plain.labels] == [(5, 7), (1, 1)]  # from (2, 1) to (6, 7)
    monkeypatch.setitem(FIELDS, "point", toy.Dot())
    found = samples.make_sample(Image("t", ()), annotation, class_title_to_idx=classes, fields=["point"])
    assert found.extras["point"].tolist() == [[6, 7], [4, 5]]
    drawn, dot = (label.to_mask(8, 9) for label in found.labels)
    assert (drawn[0].shape, drawn[1]) == ((2, 3), (2, 1))
    assert (dot[0].shape, dot[1]) == ((1, 1), (4, 5))  # an object that has nothing else


def test_load_samples_does_not_warn_of_the_figure_of_a_field(monkeypatch):
    monkeypatch.setitem(FIELDS, "point", toy.Dot())
    text = io.StringIO()
    samples.load_samples(source(Image("v", (A,)), Image("t", (*BOUND, DOT))), Settings(), log=JsonLog(text))
    assert "1 object without area (1 of shape point)" in text.getvalue()


def test_make_sample_keeps_the_facts_of_the_image():
    annotation = Annotation((8, 9), (), (A,), extra={"weather": "rain"})
    made = samples.make_sample(Image("t", ()), annotation, class_title_to_idx={"bg": 0, "a": 1})
    assert made.facts == {"weather": "rain"}


def test_make_sample_draws_no_keypoints_of_an_object_whichever_fields_there_are(monkeypatch):
    nodes = {"a": {"loc": [7, 6]}, "b": {"loc": [5, 4]}}
    graph, alone = Label("a", Graph(nodes), extra={"instance": "x"}), Label("a", Graph(nodes))
    annotation = Annotation((8, 9), (), (Label("a", PIXELS, extra={"instance": "x"}), graph, alone))
    for _ in range(2):
        made = samples.make_sample(Image("t", ()), annotation, class_title_to_idx={"bg": 0, "a": 1})
        drawn = [label.to_mask(8, 9) for label in made.labels]
        assert [(mask.shape, corner) for mask, corner in drawn] == [((2, 3), (2, 1)), ((3, 3), (4, 5))]
        monkeypatch.setitem(FIELDS, "point", toy.Dot())


def test_without_mask_counts_the_objects_that_are_boxes():
    box = Rectangle(np.array([[1, 2], [3, 4]]))
    bound = {"extra": {"instance": "x"}}
    labels = (
        Label("a", box),
        Label("a", box, **bound),
        Label("a", Point([[2, 3]]), **bound),  # of the box
        Label("b", box, extra={"instance": "y"}),
        Label("b", PIXELS, extra={"instance": "y"}),  # an object with a box and a mask has a mask
        Label("b", box, (Tag("iscrowd"),)),  # a region to ignore
        A,
    )
    classes = {"bg": 0, "a": 1, "b": 2}
    made = samples.make_sample(Image("t", ()), Annotation((8, 9), (), labels), class_title_to_idx=classes)
    assert samples.without_mask(made) == 2
    assert samples.without_mask(made._replace(labels=(), ignore=())) == 0


def test_load_samples_makes_a_map_of_stuff():
    loaded = samples.load_samples(source(Image("v", (A, B)), Image("t", (B, A, CROWD))), Settings(stuff=("b",)))
    assert loaded.class_title_to_idx == {"bg": 0, "a": 1}
    [sample] = loaded.train
    assert (sample.class_ids, sample.ignore) == ((1,), (False,))
    assert sample.stuff == ((PIXELS, 1), (PIXELS, 1))  # a group of stuff is stuff
    assert samples.load_samples(source(Image("v", (A,)), Image("t", (A,))), Settings()).train[0].stuff is None


def test_load_samples_numbers_stuff_in_the_order_of_the_config():
    meta = ProjectMeta(tuple(map(ClassMeta, "abc")))
    data = replace(source(Image("v", (A,)), Image("t", (A, B, Label("c", PIXELS)))), meta=meta)
    [sample] = samples.load_samples(data, Settings(stuff=("c", "b"))).train
    assert sample.stuff == ((PIXELS, 2), (PIXELS, 1))


def test_load_samples_refuses_stuff_that_is_no_class():
    with pytest.raises(UserError, match=r"`special_classes.stuff` must list classes of the data, got 'sky'; those are"):
        samples.load_samples(source(Image("v", (A,)), Image("t", (A,))), Settings(stuff=("sky",)))
