"""What writers receive, and the counts of what a format cannot hold."""

import numpy as np

from mrcnn.convert.writers.record import Instance, Losses, Picture, Writer, attributes_of
from mrcnn.project.annotation import Tag
from tests.convert.writers import making

PIXEL = np.ones((1, 1), bool)
RICH = Instance(
    "cat", PIXEL, (0, 0), False, 0.5, (Tag("wild"),), "asleep", 7, {"keypoints": [1, 2, 2], "num_keypoints": 1}
)


class Poor(Writer):
    """A format without a place for anything but masks."""

    def image_path(self, picture):
        return picture.name

    def add(self, picture):
        self.kept(picture)


class Full(Poor):
    """A format with a place for everything."""

    HOLDS = frozenset({"score", "tags", "description", "id", "fields", "crowds", "image tags"})


def test_attributes_of_tags():
    tags = (Tag("wild"), Tag("age", 3), Tag("note", "x"))
    assert attributes_of(tags) == {"wild": True, "age": 3, "note": "x"}
    assert attributes_of(tags[:1], is_crowd=True) == {"iscrowd": True, "wild": True}
    assert attributes_of(()) == {}


def test_losses_count_each_reason_by_class():
    losses = Losses()
    assert losses.lines() == []
    for title in ("cat", "dog", "cat"):
        losses.reduce("object with a score", title)
    losses.reduce("image with a tag", "rain")
    losses.lose("it is too large", "a.png object 1", title="cat")
    assert losses.lines() == [
        "1 object left out, it is too large: a.png object 1",
        "3 objects with a score: cat 2, dog 1",
        "1 image with a tag: rain 1",
    ]
    assert (losses.lost["cat"], losses.classes) == (1, ("cat",))


def test_setup_titles_are_in_order(tmp_path):
    assert making.setup(tmp_path, "z", "a").titles == ("z", "a")


def test_writer_kept_counts_what_the_format_cannot_hold(tmp_path):
    setup = making.setup(tmp_path)
    crowd, plain = Instance("dog", PIXEL, is_crowd=True), Instance("dog", PIXEL)
    picture = Picture("a.png", None, (1, 1), (RICH, crowd, plain), (Tag("rain"),))
    assert Poor(setup).kept(picture) == [RICH, plain]
    assert setup.losses.kept == {"cat": 1, "dog": 1}
    assert setup.losses.lost == {"dog": 1}
    none = "which the format has no place for"
    assert setup.losses.lines() == [
        f"1 object left out, it is a crowd, {none}: a.png object 1",
        f"1 image with a tag, {none}: rain 1",
        f"1 object with a score, {none}: cat 1",
        f"1 object with tags, {none}: cat 1",
        f"1 object with a description, {none}: cat 1",
        f"1 object with an id, {none}: cat 1",
        f"1 object with extra fields such as keypoints, {none}: cat 1",
    ]


def test_writer_kept_of_a_format_that_holds_all(tmp_path):
    setup = making.setup(tmp_path)
    crowd = Instance("dog", PIXEL, is_crowd=True)
    writer = Full(setup)
    assert writer.kept(Picture("a.png", None, (1, 1), (RICH, crowd), (Tag("rain"),))) == [RICH, crowd]
    assert setup.losses.lines() == []
    assert writer.finish() == ()
