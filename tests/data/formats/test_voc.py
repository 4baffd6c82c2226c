"""Pascal VOC: boxes and polygons in XML, objects in PNG masks."""

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats import voc
from tests.data.formats import making
from tests.data.formats.making import HEIGHT, SQUARE, WIDTH

POLYGON = "".join(f"<x{i}>{x}</x{i}><y{i}>{y}</y{i}>" for i, (x, y) in enumerate(SQUARE, start=1))
BOX = "<bndbox><xmin>11</xmin><ymin>6</ymin><xmax>20</xmax><ymax>15</ymax></bndbox>"  # SQUARE, counted from 1


def entry(name="cat", inside=BOX, **flags):
    more = "".join(f"<{key}>{value}</{key}>" for key, value in flags.items())
    return f"<object><name>{name}</name>{more}{inside}</object>"


def document(*objects, name="a.png"):
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    return f"<annotation><filename>{name}</filename>{size}{''.join(objects)}</annotation>"


def palette(path, indices):
    """Writes a mask as VOC does, with a palette in which two entries share a colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(indices.astype(np.uint8))
    image.putpalette([value for index in range(256) for value in (index // 2, 0, 0)])
    image.save(path)


def masks():
    """Objects 1 (with a void border), 2 and 3; classes 8 (cat), 12 (dog), 12."""
    objects, classes = np.zeros((2, HEIGHT, WIDTH), int)
    objects[5:15, 10:20], classes[5:15, 10:20] = 1, 8
    objects[5, 10:20] = classes[5, 10:20] = 255
    objects[20:30, 10:20], classes[20:30, 10:20] = 2, 12
    objects[22:24, 12:14] = classes[22:24, 12:14] = 0  # a hole
    objects[20:30, 30:40], classes[20:30, 30:40] = 3, 12
    return objects, classes


def devkit(root):
    """Lays out VOC's development kit: one image with masks, one with boxes alone, and lists."""
    objects, classes = masks()
    for name in ("m", "b"):
        making.image(root / "JPEGImages" / f"{name}.png")
    palette(root / "SegmentationObject" / "m.png", objects)
    palette(root / "SegmentationClass" / "m.png", classes)
    cats = entry("cat", difficult=1, pose="Left"), entry("dog", truncated=0, pose="Unspecified")
    making.write(root / "Annotations" / "m.xml", document(*cats, name="m.png"))
    making.write(root / "Annotations" / "b.xml", document(entry(), name="b.png"))
    making.write(root / "ImageSets" / "Segmentation" / "val.txt", "m\n")
    making.write(root / "ImageSets" / "Main" / "train.txt", "m\nb\n")


def test_read_the_development_kit(tmp_path):
    devkit(tmp_path / "VOCdevkit" / "VOC2012")
    assert voc.fits(tmp_path)
    (item,), report = making.read("voc", tmp_path)
    assert making.objects(item) == [
        ("cat", 90, [("difficult", None), ("pose", "Left")]),  # without the row of value 255
        ("dog", 96, []),
        ("dog", 100, []),  # the XML lists no third object
    ]
    assert (item.name, item.split) == ("m.png", "val")
    assert report.tally.lines()[0] == (
        "1 object left out, a box without a mask (--boxes-as-masks takes the whole box): VOCdevkit/VOC2012/b object 0"
    )
    assert report.lost_images == 1
    (boxes, _), _ = making.read("voc", tmp_path, boxes_as_masks=True)
    assert (boxes.split, making.objects(boxes)) == ("train", [("cat", 100, [])])
    np.testing.assert_array_equal(making.drawn(boxes.annotation.labels[0]), making.square())


def test_read_masks_without_classes_and_with_a_labelmap(tmp_path):
    devkit(tmp_path)
    making.write(tmp_path / "labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncow:1,1,1::\n")
    _, classes = masks()
    palette(tmp_path / "SegmentationClass" / "m.png", np.where(classes == 8, 1, classes))
    (item,), report = making.read("voc", tmp_path)
    assert [title for title, _, _ in making.objects(item)] == ["cow"]
    assert "2 objects left out, its value has no class: m object 2 (12 in SegmentationClass)" in report.tally.lines()[2]
    (tmp_path / "SegmentationClass" / "m.png").unlink()
    (item,), report = making.read("voc", tmp_path)
    assert [title for title, _, _ in making.objects(item)] == ["cat", "dog"]
    assert "1 object left out, no class: m object 3" in report.tally.lines()[2]


def test_read_polygons_beside_images_in_split_folders(tmp_path):
    """The layout of Roboflow's Pascal VOC export."""
    for split in ("train", "valid"):
        making.image(tmp_path / split / "a.png")
        pt = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in SQUARE)
        objects = entry(inside=f"{BOX}<polygon>{POLYGON}</polygon>"), entry("old", inside=f"<polygon>{pt}</polygon>")
        making.write(tmp_path / split / "a.xml", document(*objects))
    assert voc.fits(tmp_path)
    (train, val), _ = making.read("voc", tmp_path)
    assert (train.split, val.split) == ("train", "val")
    assert making.objects(train) == [("cat", 100, []), ("old", 100, [])]


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (entry(inside=""), "its entry is malformed: a object 1 (`xmin` must be a number, got None)"),
        (entry(inside="<polygon><x1>1</x1><x2>3</x2></polygon>"), "its entry is malformed: a object 1 (`y1`"),
        (entry("", inside=f"<polygon>{POLYGON}</polygon>"), "no class: a object 1"),
    ],
)
def test_read_names_a_broken_object_and_keeps_the_others(tmp_path, broken, line):
    making.image(tmp_path / "a.png")
    making.write(tmp_path / "a.xml", document(entry(inside=f"<polygon>{POLYGON}</polygon>"), broken))
    (item,), report = making.read("voc", tmp_path)
    assert making.objects(item) == [("cat", 100, [])]
    assert report.tally.lines()[0].startswith(f"1 object left out, {line}")


def test_read_names_broken_files_and_masks(tmp_path):
    good = document(entry(inside=f"<polygon>{POLYGON}</polygon>"))
    for name in "abcd":
        making.image(tmp_path / "JPEGImages" / f"{name}.png")
    making.write(tmp_path / "Annotations" / "a.xml", good)
    making.write(tmp_path / "Annotations" / "b.xml", "<annotation>")
    making.write(tmp_path / "Annotations" / "c.xml", '<!DOCTYPE x [<!ENTITY e "f">]><annotation>&e;</annotation>')
    palette(tmp_path / "SegmentationObject" / "d.png", np.ones((3, 3)))
    items, report = making.read("voc", tmp_path)
    assert ([item.name for item in items], report.lost_images) == (["a.png"], 3)
    told = "\n".join(report.tally.lines())
    assert "2 images left out, annotation file cannot be read" in told
    assert "1 image left out, its mask cannot be used" in told
    assert "d.png has size (3, 3), its image (40, 60)" in told


def test_fits_what_is_voc(tmp_path):
    assert not voc.fits(tmp_path)
    making.write(tmp_path / "a.xml", "<other/>")
    assert not voc.fits(tmp_path)
    assert not voc.fits(making.write(tmp_path / "b.xml", document(entry())))  # a file; the folder is asked for
    assert voc.fits(tmp_path)
