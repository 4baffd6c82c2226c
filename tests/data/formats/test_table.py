"""The choice of a label format, and what is read of all."""

import pytest

from mrcnn.data.formats import table
from mrcnn.data.formats.record import Job
from mrcnn.errors import UserError
from tests.data.formats import making, test_labelme, test_yolo


def test_guess_finds_the_format_or_none(tmp_path):
    assert table.guess(tmp_path) is None
    making.write(tmp_path / "a.json", test_labelme.content())
    assert table.guess(tmp_path) == "labelme"
    test_yolo.roboflow(tmp_path / "y")
    assert table.guess(tmp_path / "y") == "yolo"
    assert table.guess(tmp_path / "none") is None


def test_read_takes_an_image_once(tmp_path):
    making.image(tmp_path / "a.png")
    for name in ("a", "b"):
        making.write(tmp_path / f"{name}.json", test_labelme.content(test_labelme.shape()))
    (item,), report = making.read("labelme", tmp_path)
    assert item.ann_path.name == "a.json"
    assert (report.kept, report.lost_images) == ({"cat": 1}, 1)
    assert report.tally.lines() == [f"1 image left out, {table.TWICE}: {tmp_path / 'b.json'}"]


def test_read_where_no_object_is_left(tmp_path):
    making.image(tmp_path / "a.png")
    making.image(tmp_path / "b.png")
    box = test_labelme.shape(kind="rectangle", points=[[1, 2], [5, 8]])
    making.write(tmp_path / "a.json", test_labelme.content(box))
    making.write(tmp_path / "b.json", test_labelme.content(path="b.png"))
    with pytest.raises(UserError, match=r"nothing can be learnt from .*--boxes-as-masks takes the whole box"):
        making.read("labelme", tmp_path)


def test_check_paths_names_what_is_missing(tmp_path):
    with pytest.raises(UserError, match=r"the data .*none does not exist"):
        table.check_paths(Job(tmp_path / "none"))
    with pytest.raises(UserError, match=r"the images' folder .*none does not exist; name the folder"):
        table.check_paths(Job(tmp_path, tmp_path / "none"))
    table.check_paths(Job(tmp_path, tmp_path))
