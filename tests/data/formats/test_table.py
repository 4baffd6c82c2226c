"""The choice of a label format, and what is read of all."""

import json

import numpy as np
import pytest

from mrcnn.data.formats import table
from mrcnn.data.formats.record import Job
from mrcnn.errors import UserError
from tests.data.formats import (
    making,
    test_cityscapes,
    test_coco_panoptic,
    test_cvat,
    test_label_studio,
    test_labelbox,
    test_labelme,
    test_png_masks,
    test_via,
    test_voc,
    test_yolo,
)


def make_of_each(root):
    """Makes one data set of each format in a folder of its name; returns its paths."""
    for name in ("labelme", "via", "cvat", "label_studio", "labelbox", "voc"):
        making.image(root / name / "a.png")
    test_yolo.roboflow(root / "yolo")
    test_cityscapes.write(root / "cityscapes", "train", test_cityscapes.ids())
    panoptic = test_coco_panoptic.write(root / "coco_panoptic")
    making.image(root / "coco_panoptic" / "a.jpg")  # beside the file, where images are looked for
    polygon = f"<polygon>{test_voc.POLYGON}</polygon>"
    made = {
        "labelme": making.write(root / "labelme" / "a.json", test_labelme.content(test_labelme.shape())),
        "via": making.write(root / "via" / "v.json", test_via.project(test_via.entry(test_via.region(name="cat")))),
        "cvat": making.write(root / "cvat" / "a.xml", test_cvat.document(test_cvat.image(test_cvat.POLYGON))),
        "label_studio": making.write(
            root / "label_studio" / "s.json", [test_label_studio.task(test_label_studio.region())]
        ),
        "labelbox": making.write(root / "labelbox" / "b.ndjson", json.dumps(test_labelbox.row(test_labelbox.item()))),
    }
    making.image(root / "png_masks" / "images" / "a.png")
    test_png_masks.write(root / "png_masks" / "masks" / "a.png", np.eye(making.HEIGHT, making.WIDTH, dtype=np.uint8))
    making.write(root / "voc" / "a.xml", test_voc.document(test_voc.entry(inside=polygon)))
    made["coco_panoptic"] = panoptic
    return {**made, **{name: root / name for name in ("yolo", "cityscapes", "voc", "png_masks")}}


def test_guess_finds_each_format_and_no_other(tmp_path):
    paths = make_of_each(tmp_path)
    assert paths.keys() == table.READERS.keys()
    for name, path in paths.items():
        assert [kind for kind, reader in table.READERS.items() if reader.fits(path)] == [name]
        assert table.guess(path) == name
        items, report = making.read(name, path)
        assert items[0].annotation.labels
        assert items[0].read_annotation(None) is items[0].annotation
        assert report.kept.total() >= 1


def test_guess_of_what_is_none(tmp_path):
    assert table.guess(tmp_path) is None
    assert table.guess(tmp_path / "none") is None
    assert (
        table.guess(making.write(tmp_path / "coco.json", {"images": [], "annotations": [], "categories": []})) is None
    )


def test_read_takes_an_image_once(tmp_path):
    making.image(tmp_path / "a.png")
    for name in ("a", "b"):
        making.write(tmp_path / f"{name}.json", test_labelme.content(test_labelme.shape()))
    (item,), report = making.read("labelme", tmp_path)
    assert item.ann_path.name == "a.json"
    assert (report.kept, report.lost_images) == ({"cat": 1}, 1)
    assert report.tally.lines() == [f"1 image left out, {table.TWICE}: {tmp_path / 'b.json'}"]


def test_read_gives_images_of_one_name_other_data_sets(tmp_path):
    for folder in ("a/b", "a_b"):
        making.image(tmp_path / folder / "x.png")
        making.write(tmp_path / folder / "x.json", test_labelme.content(test_labelme.shape(), path="x.png"))
    items, _ = making.read("labelme", tmp_path)
    assert [(item.dataset, item.name) for item in items] == [("a_b", "x.png"), ("a_b_2", "x.png")]


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
