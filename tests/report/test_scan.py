import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.sources import table
from mrcnn.data.sources.source import DataPaths, Settings
from mrcnn.errors import UserError
from mrcnn.project.geometry import Bitmap
from mrcnn.report import scan
from tests.data.coco import cases as coco_cases
from tests.data.sources.test_formats import labelme
from tests.train import tiny


def scanned(path, settings=None, **paths):
    return scan.scan(table.open_source(DataPaths(path, **paths), []), settings or Settings())


def test_scan_of_a_project(tmp_path):
    data = scanned(tiny.write_project(tmp_path / "p", train=2, val=1))
    assert (data.name, data.kind, data.titles, data.skipped) == ("p", "project", ("disc", "bar"), ())
    assert [(image.name, image.split, image.size_hw) for image in data.images] == [
        ("ds/0.png", "train", (48, 64)), ("ds/1.png", "train", (48, 64)), ("ds/2.png", "val", (48, 64)),
    ]  # fmt: skip
    (bar,) = data.images[0].objects
    assert (bar.title, bar.height, bar.width, bar.area, bar.parts) == ("bar", 13, 25, 325, 1)  # 2 * 6 + 1, 2 * 12 + 1


@pytest.mark.parametrize("kind", ["labelme", "coco"])
def test_scan_of_other_formats(tmp_path, kind):
    if kind == "labelme":
        labelme(tmp_path, 8)
        data = scanned(tmp_path)
        assert sorted(image.split for image in data.images) == ["train"] * 6 + ["val"] * 2
        assert {image.objects[0].title for image in data.images} == {"cat"}
    else:
        train, val, images = tiny.write_coco(tmp_path, train=2, val=1)
        data = scanned(train, images=images, val_data=val)
        assert [image.split for image in data.images] == ["train", "train", "val"]


def test_scan_skips_and_names_unreadable_images_and_annotations(tmp_path):
    root = tiny.write_project(tmp_path / "p", train=3, val=2)
    (root / "ds" / "img" / "0.png").write_bytes(b"no image")
    (root / "ds" / "ann" / "1.png.json").write_text("{")
    annotation = root / "ds" / "ann" / "2.png.json"
    content = json.loads(annotation.read_text())
    annotation.write_text(json.dumps({**content, "size": {"height": 10, "width": 10}}))
    data = scanned(root)
    assert [image.name for image in data.images] == ["ds/3.png", "ds/4.png"]
    assert [skip.name for skip in data.skipped] == ["ds/1.png", "ds/0.png", "ds/2.png"]  # annotations are read first
    assert data.skipped[2].reason.endswith(
        "2.png is for 10x10 pixels (height x width), the image has 48x64; annotate it anew or correct `size`"
    )


def test_scan_of_one_split_says_what_training_refuses(tmp_path):
    data = scanned(tiny.write_project(tmp_path / "p", train=2, val=0))
    assert [image.split for image in data.images] == ["neither", "neither"]
    assert len(data.remarks) == 1
    assert data.remarks[0].startswith("training refuses this data: ")


def test_scan_counts_both_sets_ignored_and_left_out_objects(tmp_path):
    root = tiny.write_project(tmp_path / "p", train=2, val=1)
    path = root / "ds" / "ann" / "0.png.json"
    content = json.loads(path.read_text())
    crowd = {**content["objects"][0], "tags": [{"name": "iscrowd", "value": None}]}
    outside = {**content["objects"][0], "bitmap": {**content["objects"][0]["bitmap"], "origin": [90, 90]}}
    tags = [{"name": "train", "value": None}, {"name": "val", "value": None}]
    path.write_text(json.dumps({**content, "objects": [crowd, outside, *content["objects"]], "tags": tags}))
    image = scanned(root).images[0]
    assert (image.split, image.left_out, [item.ignored for item in image.objects]) == ("both", 1, [True, False])
    assert (image.objects[0].overlap, image.objects[0].overlaps_with) == (1, 1)
    neutral = scanned(root, Settings(neutral="bar")).images
    assert [item.ignored for item in neutral[0].objects] == [True, True]
    assert neutral[0].objects[0].title == "bar"
    assert [image.objects[0].ignored for image in neutral[1:]] == [False, True]
    background = scanned(root, Settings(background="bar"))
    assert (background.titles, background.images[0].objects) == (("disc",), ())


def test_scan_of_an_image_that_exif_turns(tmp_path):
    making = tmp_path / "img"
    making.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    pixels = np.zeros((40, 60, 3), np.uint8)
    for name in ("as_stored", "upright"):
        Image.fromarray(pixels).save(making / f"{name}.jpg", exif=exif)
    Image.fromarray(pixels).save(making / "plain.jpg")
    content = coco_cases.content(coco_cases.annotation(1))
    sizes = {"as_stored": (40, 60), "upright": (60, 40), "plain": (40, 60)}
    content["images"] = [
        {"id": number, "file_name": f"{name}.jpg", "height": height, "width": width}
        for number, (name, (height, width)) in enumerate(sizes.items(), start=1)
    ]
    (tmp_path / "a.json").write_text(json.dumps(content))
    data = scanned(tmp_path / "a.json", images=making)
    found = {image.name.split("/")[-1]: (image.orientation, image.unturned, image.size_hw) for image in data.images}
    assert found == {
        "as_stored.jpg": (6, True, (40, 60)), "upright.jpg": (6, False, (60, 40)), "plain.jpg": (1, False, (40, 60)),
    }  # fmt: skip


def test_scan_counts_the_parts_of_an_object(tmp_path):
    labelme(tmp_path, 5)
    path = tmp_path / "0.json"
    content = json.loads(path.read_text())
    squares = [[[x, 2], [x + 4, 2], [x + 4, 6], [x, 6]] for x in (2, 20, 40)]
    content["shapes"] = [{**content["shapes"][0], "points": square, "group_id": 1} for square in squares]
    path.write_text(json.dumps(content))
    (item,) = scanned(tmp_path).images[0].objects  # shapes of one group are one object
    assert (item.parts, item.area) == (3, 48)  # three squares of 4 x 4 pixels


def test_scan_joins_pixels_that_touch_by_a_corner(tmp_path):
    root = tiny.write_project(tmp_path / "p", train=1, val=1)
    path = root / "ds" / "ann" / "0.png.json"
    content = json.loads(path.read_text())
    content["objects"][0] |= Bitmap((5, 5), np.eye(4, dtype=bool)).to_json()
    path.write_text(json.dumps(content))
    (item,) = scanned(root).images[0].objects
    assert (item.parts, item.area, item.box) == (1, 4, (5, 5, 9, 9))


def test_read_refuses_another_size(tmp_path):
    root = tiny.write_project(tmp_path / "p", train=1, val=1)
    source = table.open_source(DataPaths(root), [])
    annotation = source.items[0].read_annotation(source.meta)
    sample = scan.sample_of(source.items[0], annotation, titles=("disc", "bar"), settings=Settings())
    image, instances = scan.read(sample)
    assert (image.shape, instances.class_ids.tolist()) == ((48, 64, 3), [2])  # bar is the second title
    with pytest.raises(UserError, match="48x64"):
        scan.read(sample._replace(size_hw=(9, 9)))
