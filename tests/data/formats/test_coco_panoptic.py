"""COCO panoptic JSON and its PNG files."""

import json

import cv2
import numpy as np
import pytest

from mrcnn.data.formats import coco_panoptic
from mrcnn.errors import UserError
from tests.data.formats import making
from tests.data.formats.making import HEIGHT, WIDTH

CAR, SKY, LARGE = 7, 300, 70000  # ids in one, two and three channels: 300 = 44 + 256, 70000 = 112 + 17 * 256 + 65536
CATEGORIES = [
    {"id": 3, "name": "car", "isthing": 1, "supercategory": "vehicle"},
    {"id": 187, "name": "sky", "isthing": 0, "supercategory": "sky"},
]
SEGMENTS = [
    {"id": SKY, "category_id": 187, "iscrowd": 0, "area": 50},
    {"id": CAR, "category_id": 3, "iscrowd": 0, "area": 100},
    {"id": LARGE, "category_id": 3, "iscrowd": 1, "area": 20},
]


def ids():
    values = np.zeros((HEIGHT, WIDTH), int)
    values[0:5, 0:10] = SKY
    values[5:15, 10:20] = CAR
    values[20:22, 0:10] = LARGE
    return values


def write(folder, *, segments=SEGMENTS, values=None, content=None):
    values = ids() if values is None else values
    making.image(folder / "img" / "a.jpg")
    (folder / "panoptic").mkdir(parents=True)
    blue, green, red = values >> 16, (values >> 8) & 255, values & 255
    cv2.imwrite(str(folder / "panoptic" / "a.png"), np.stack([blue, green, red], axis=-1).astype(np.uint8))
    content = content or {
        "images": [{"id": 5, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH}],
        "annotations": [{"image_id": 5, "file_name": "a.png", "segments_info": segments}],
        "categories": CATEGORIES,
    }
    (folder / "panoptic.json").write_text(json.dumps(content))
    return folder / "panoptic.json"


def read(path):
    return making.read("coco_panoptic", path, images=path.parent / "img")


def test_read_things_stuff_and_groups(tmp_path):
    path = write(tmp_path)
    assert coco_panoptic.fits(path)
    [found], report = read(path)
    assert making.objects(found) == [("sky", 50, []), ("car", 100, []), ("car", 20, [("iscrowd", None)])]
    assert report.classes == ("car", "sky")
    assert report.class_facts == {"car": {"id": 3, "isthing": 1}, "sky": {"id": 187, "isthing": 0}}
    assert report.lost_images == 0
    mask, corner = found.annotation.labels[1].geometry.to_mask(HEIGHT, WIDTH)
    assert (mask.shape, corner) == ((10, 10), (5, 10))


def test_read_ids_adds_the_channels_up(tmp_path):
    write(tmp_path)
    np.testing.assert_array_equal(coco_panoptic.read_ids(tmp_path / "panoptic" / "a.png"), ids())


def test_read_names_what_does_not_fit(tmp_path):
    wrong = [
        {"id": SKY, "category_id": 9},
        {"id": 11, "category_id": 3},
        {"id": CAR, "category_id": 3},
        {"id": [], "category_id": 3},
        {"id": LARGE + 1, "category_id": {}},
        "nothing",
    ]
    [found], report = read(write(tmp_path, segments=wrong))
    assert making.objects(found) == [("car", 100, [])]
    told = "\n".join(report.tally.lines())
    for part in (coco_panoptic.NO_CATEGORY, coco_panoptic.NO_PIXEL, f"a.png id {LARGE}"):
        assert part in told


def test_read_leaves_images_out_that_cannot_be_used(tmp_path):
    image = {"id": 1, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH}
    annotations = [
        {"image_id": 1, "file_name": "none.png", "segments_info": SEGMENTS},
        {"image_id": 2, "file_name": "a.png", "segments_info": SEGMENTS},
        {"image_id": 1, "file_name": "a.png", "segments_info": None},
        {"image_id": 1, "file_name": "a.png", "segments_info": SEGMENTS},
    ]
    content = {"images": [image], "annotations": annotations, "categories": CATEGORIES}
    items, report = read(write(tmp_path, content=content))
    assert (len(items), report.lost_images) == (1, 3)


def test_read_refuses_a_png_of_another_size_or_depth(tmp_path):
    path = write(tmp_path, values=np.full((3, 3), CAR))
    with pytest.raises(UserError, match=r"no image of .* can be used: .*its PNG file cannot be used.*\(3, 3\)"):
        read(path)
    cv2.imwrite(str(tmp_path / "grey.png"), np.zeros((3, 3), np.uint8))
    with pytest.raises(UserError, match="must have three channels of 8 bits, got 1 of uint8"):
        coco_panoptic.read_ids(tmp_path / "grey.png")


@pytest.mark.parametrize("content", [[], {"images": []}, {"images": [], "annotations": [3], "categories": []}])
def test_read_refuses_another_json(tmp_path, content):
    path = write(tmp_path, content=content or [1])
    with pytest.raises(UserError, match=r"panoptic\.json is no COCO panoptic JSON: `\w+` must be a list of objects"):
        read(path)


def test_fits_needs_the_folder_of_png_files(tmp_path):
    path = write(tmp_path)
    (tmp_path / "panoptic" / "a.png").unlink()
    assert not coco_panoptic.fits(path)
    assert not coco_panoptic.fits(tmp_path / "other.json")
