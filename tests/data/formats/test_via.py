"""VIA's JSON and CSV as versions 1 and 2 write them."""

import json

import numpy as np
import pytest

from mrcnn.data.formats import via
from mrcnn.errors import UserError
from tests.data.formats import making
from tests.data.formats.making import SQUARE

POLYGON = {"name": "polygon", "all_points_x": [x for x, _ in SQUARE], "all_points_y": [y for _, y in SQUARE]}
CSV = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"


def region(shape=POLYGON, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


def entry(*regions, name="a.png", **more):
    return {"filename": name, "size": 99, "regions": list(regions), "file_attributes": {}, **more}


def project(*entries, **attributes):
    images = {f"{item['filename']}{item['size']}": item for item in entries}
    return {"_via_settings": {}, "_via_img_metadata": images, "_via_attributes": {"region": attributes, "file": {}}}


def test_read_a_project_of_version_2(tmp_path):
    making.image(tmp_path / "a.png")
    making.image(tmp_path / "b.png")
    shapes = [
        {"name": "circle", "cx": 30, "cy": 20, "r": 6},
        {"name": "ellipse", "cx": 30, "cy": 20, "rx": 10, "ry": 4, "theta": np.pi / 2},
        {"name": "rect", "x": 10, "y": 5, "width": 10, "height": 10},
        {"name": "polyline", "all_points_x": [1, 2, 3], "all_points_y": [1, 2, 3]},
    ]
    first = entry(
        region(name=" cat ", ripe={"yes": True, "no": False}), *(region(shape, name="dog") for shape in shapes)
    )
    path = making.write(
        tmp_path / "p.json", project({**first, "file_attributes": {"city": "Rome"}}, entry(name="b.png"))
    )
    (a, b), report = making.read("via", path)
    assert making.objects(a)[0] == ("cat", 100, [("ripe", "yes")])
    np.testing.assert_array_equal(making.drawn(a.annotation.labels[0]), making.square())
    circle, ellipse = (making.drawn(label) for label in a.annotation.labels[1:])
    assert abs(circle.sum() - np.pi * 36) < 3
    rows, columns = np.nonzero(ellipse)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (20, 8)  # turned: 10 up and down, 4 to the sides
    assert [(tag.name, tag.value) for tag in a.annotation.tags] == [("city", "Rome")]
    assert b.annotation.labels == ()
    assert report.tally.lines() == [
        "1 region attribute is the class of the objects: 'name'",
        "1 object left out, a box without a mask (--boxes-as-masks takes the whole box): p.json image a.png object 3",
        "1 object left out, its shape has no area: p.json image a.png object 4 (polyline)",
    ]
    (boxes, _), _ = making.read("via", path, boxes_as_masks=True)
    assert making.objects(boxes)[3][:2] == ("dog", 100)


def test_read_version_1_without_attributes_in_split_folders(tmp_path):
    """The layout of the balloon data set of Matterport."""
    for split in ("train", "val"):
        making.image(tmp_path / split / "a.png")
        content = {"a.png99": {**entry(), "fileref": "", "base64_img_data": "", "regions": {"0": region()}}}
        making.write(tmp_path / split / "via_region_data.json", content)
    assert via.fits(tmp_path)
    items, report = making.read("via", tmp_path)
    assert [(item.dataset, item.split, making.objects(item)) for item in items] == [
        ("train", "train", [("object", 100, [])]),
        ("val", "val", [("object", 100, [])]),
    ]
    assert report.tally.lines()[0].startswith(
        "1 file without region attributes, all objects are of one class, 'object'"
    )


@pytest.mark.parametrize("mark", ["", "#"])
def test_read_csv(tmp_path, mark):
    making.image(tmp_path / "a.png")
    making.image(tmp_path / "b.png")

    def cell(value):
        return '"' + json.dumps(value).replace('"', '""') + '"'

    rows = [
        f"a.png,99,{cell({})},2,0,{cell(POLYGON)},{cell({'type': 'cat'})}",
        f"a.png,99,{cell({})},2,1,{cell(POLYGON)},{cell({'type': 'dog', 'old': 'yes'})}",
        f"b.png,99,{cell({})},0,0,{cell({})},{cell({})}",
    ]
    path = making.write(tmp_path / "a.csv", "\n".join([mark + CSV, *rows]))
    assert via.fits(path)
    (a, b), _ = making.read("via", path)
    assert making.objects(a) == [("cat", 100, []), ("dog", 100, [("old", "yes")])]
    assert b.annotation.labels == ()


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (3, "its region is malformed: p.json image a.png object 1 (it is 3)"),
        (
            region({"name": "polygon", "all_points_x": [1]}, name="a"),
            "its region is malformed: p.json image a.png object 1",
        ),
        (
            region({"name": "circle", "cx": 1, "cy": 2}, name="a"),
            "its region is malformed: p.json image a.png object 1 (`r`",
        ),
        (region({"name": "star"}, name="a"), "its shape is not known: p.json image a.png object 1 (star)"),
        (region(), "no class: p.json image a.png object 1"),
        (region(name={"a": True, "b": True}), "several classes: p.json image a.png object 1 (a, b)"),
        (
            region({"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1, 2]}, name="a"),
            "the outline has invalid",
        ),
    ],
)
def test_read_names_a_broken_region_and_keeps_the_others(tmp_path, broken, line):
    making.image(tmp_path / "a.png")
    path = making.write(tmp_path / "p.json", project(entry(region(name="cat"), broken)))
    (item,), report = making.read("via", path)
    assert making.objects(item) == [("cat", 100, [])]
    assert report.tally.lines()[1].startswith(f"1 object left out, {line}")


def test_read_names_broken_files_and_entries(tmp_path):
    making.image(tmp_path / "a.png")
    good = making.write(tmp_path / "p.json", project(entry(region(name={"cat": True, "dog": False}))))
    making.write(tmp_path / "q.json", '{"_via_settings": ')
    content = json.loads(good.read_text())
    content["_via_img_metadata"]["x"] = 5
    making.write(good, content)
    (item,), report = making.read("via", tmp_path)
    assert making.objects(item) == [("cat", 100, [])]  # of a checkbox, the value that is ticked
    assert report.lost_images == 2
    with pytest.raises(UserError, match="it needs an object for each image"):
        making.read("via", making.write(tmp_path / "r.json", [1]))


@pytest.mark.parametrize(
    ("regions", "declared", "chosen"),
    [
        ([{"colour": "red"}], {}, "colour"),
        ([{"colour": "red", "Label": "cat"}], {}, "Label"),
        ([{"colour": "red", "kind": "cat"}], {"colour": {"type": "text"}, "kind": {"type": "dropdown"}}, "kind"),
        ([{"colour": "red", "name": "cat"}], {"colour": {"type": "radio"}}, "name"),
        ([{"colour": "red", "kind": "cat"}, {"kind": "dog"}], {}, "kind"),
        ([{"": "x"}], {}, None),
        ([], {}, None),
    ],
)
def test_class_attribute_is_chosen(regions, declared, chosen):
    entries = [{"regions": [{"region_attributes": attributes} for attributes in regions]}]
    assert via.class_attribute(entries, [declared]) == chosen


def test_fits_what_is_via(tmp_path):
    assert not via.fits(making.write(tmp_path / "a.json", {"images": []}))
    assert not via.fits(making.write(tmp_path / "a.csv", "filename,width\n"))
    assert not via.fits(tmp_path)
    assert via.fits(making.write(tmp_path / "b.json", project(entry())))
