"""CVAT's XML for images, version 1.1."""

import numpy as np
import pytest

from mrcnn.data.formats import cvat
from mrcnn.errors import UserError
from tests.data.formats import making
from tests.data.formats.making import HEIGHT, SQUARE, WIDTH

POINTS = ";".join(f"{x:.2f},{y:.2f}" for x, y in SQUARE)
POLYGON = f'<polygon label="cat" source="manual" occluded="0" points="{POINTS}" z_order="0"></polygon>'
META = """<meta><task><labels>
<label><name>dog</name><type>any</type><attributes><attribute><name>color</name></attribute></attributes></label>
<label><name>night</name><type>tag</type></label></labels></task></meta>"""


def document(*images, meta=META):
    start = '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>'
    return f"{start}{meta}{''.join(images)}</annotations>"


def image(*shapes, name="a.png", more=""):
    return f'<image id="0" name="{name}" width="{WIDTH}" height="{HEIGHT}" {more}>{"".join(shapes)}</image>'


def test_read_polygons_groups_attributes_tags_and_subsets(tmp_path):
    making.image(tmp_path / "images" / "a.png")
    making.image(tmp_path / "images" / "sub" / "b.png")
    shapes = [
        f'<polygon label="dog" occluded="1" points="{POINTS}" group_id="3"><attribute name="color">red</attribute>'
        '<attribute name="old">true</attribute><attribute name="wet">false</attribute></polygon>',
        f'<polygon label="dog" points="{POINTS}" group_id="3"/>',
        '<tag label="night" source="manual"/>',
        POLYGON,
    ]
    text = document(image(*shapes, more='subset="Train"'), image(name="sub/b.png", more='subset="Validation"'))
    making.write(tmp_path / "annotations.xml", text)
    assert cvat.fits(tmp_path)
    (a, b), report = making.read("cvat", tmp_path)
    assert making.objects(a) == [
        ("dog", 100, [("color", "red"), ("old", None), ("occluded", None)]),
        ("dog", 100, []),
        ("cat", 100, []),
    ]
    assert [label.instance for label in a.annotation.labels] == ["group 3", "group 3", None]
    assert [tag.name for tag in a.annotation.tags] == ["train", "night"]
    assert (a.split, b.split, b.annotation.labels, b.dataset) == ("train", "val", (), "images_sub")
    assert report.classes == ("dog", "cat")


def test_read_masks_ellipses_boxes_in_their_order(tmp_path):
    making.image(tmp_path / "a.png")
    shapes = [
        '<mask label="ring" rle="4, 1, 3, 0, 0" left="20" top="30" width="4" height="2" z_order="2"/>',
        '<ellipse label="disc" cx="30" cy="20" rx="10" ry="4" rotation="90" z_order="1"/>',
        '<box label="box" xtl="10" ytl="5" xbr="20" ybr="15" z_order="0"/>',
        '<box label="turned" xtl="10" ytl="5" xbr="30" ybr="15" rotation="90.0"/>',
        '<polyline label="line" points="1,1;2,2"/>',
        '<star label="star"/>',
    ]
    path = making.write(tmp_path / "x.xml", document(image(*shapes)))
    (item,), report = making.read("cvat", path, boxes_as_masks=True)
    by_title = {label.class_title: making.drawn(label) for label in item.annotation.labels}
    assert list(by_title) == ["box", "turned", "disc", "ring"]  # by z_order
    np.testing.assert_array_equal(np.argwhere(by_title["ring"]), [[31, 20]])  # after a row of four zeros
    np.testing.assert_array_equal(by_title["box"], making.square())
    rows, columns = np.nonzero(by_title["turned"])  # 20 x 10 about (20, 10), turned to 10 x 20
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (0, 19, 15, 24)
    rows, columns = np.nonzero(by_title["disc"])
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (20, 8)
    assert report.tally.lines() == [
        "1 object left out, its shape has no area: x.xml image a.png object 4 (polyline)",
        "1 object left out, its shape is not known: x.xml image a.png object 5 (star)",
    ]
    _, report = making.read("cvat", path)
    assert report.lost["box"] == report.lost["turned"] == 1


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        ('<polygon label="a" points="1,2;x"/>', "its shape is malformed: a.xml image a.png object 1 (polygon)"),
        ('<polygon label="a" points="1,2;3,4"/>', "the outline has invalid coordinates"),
        ('<polygon points="1,2;3,4;5,9"/>', "no class: a.xml image a.png object 1 (polygon)"),
        ('<mask label="a" rle="3,2" left="0" top="0" width="3" height="3"/>', "its shape is malformed"),
        ('<mask label="a" rle="x" left="0" top="0" width="3" height="3"/>', "its shape is malformed"),
        ('<mask label="a" rle="-1,10" left="0" top="0" width="3" height="3"/>', "its shape is malformed"),
        ('<mask label="a" rle="1" left="0" top="0" width="100000" height="100000"/>', "its shape is malformed"),
        ('<mask label="a" rle="1" left="0" top="0" width="3"/>', "its shape is malformed"),
        ('<ellipse label="a" cx="1" cy="2" rx="0" ry="1"/>', "its shape is malformed"),
    ],
)  # fmt: skip
def test_read_names_a_broken_shape_and_keeps_the_others(tmp_path, broken, line):
    making.image(tmp_path / "a.png")
    path = making.write(tmp_path / "a.xml", document(image(POLYGON, broken)))
    (item,), report = making.read("cvat", path)
    assert making.objects(item) == [("cat", 100, [])]
    assert report.tally.lines()[0].startswith(f"1 object left out, {line}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (document("<track id='0'></track>"), "holds tracks of a video; export it"),
        ("<annotations><image", "cannot be read as XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><annotations>&a;</annotations>', "cannot be read as XML"),
        (document(), "no image of .* can be used: it lists none"),
        (document(image(name="gone.png")), "file not found: x.xml image 0"),
    ],
)
def test_read_refuses(tmp_path, text, message):
    with pytest.raises(UserError, match=message) as caught:
        making.read("cvat", making.write(tmp_path / "x.xml", text))
    assert "cannot be read as XML" not in str(caught.value) or "XML" in message


def test_fits_what_is_cvat(tmp_path):
    assert cvat.fits(making.write(tmp_path / "a.xml", document()))
    assert not cvat.fits(making.write(tmp_path / "b.xml", "<annotation></annotation>"))
    assert not cvat.fits(tmp_path)
