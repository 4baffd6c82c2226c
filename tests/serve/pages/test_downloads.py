"""The files that the page makes: decoded by Pillow, loaded by pycocotools."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle_tools
from pycocotools.coco import COCO

from .helpers import needs_browser, picture, slide, tiles

pytestmark = [
    needs_browser,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]  # of pycocotools
CAT = np.zeros((40, 60), np.uint8)
CAT[:, :30] = 1  # of score 0.9
DOG = np.zeros((40, 60), np.uint8)
DOG[:20] = 1  # of score 0.6
SMALL = np.zeros((40, 60), np.uint8)
SMALL[20:, 30:] = 1  # a cat of score 0.3


@pytest.fixture
def shown(page, tmp_path):
    page.choose_file("#file", picture(tmp_path))
    page.wait_for("#status", "3 of 3 objects shown")
    return page


def saved_masks(page):
    page.click("#save-masks")
    return Image.open(io.BytesIO(page.downloaded("photo_masks.png")))


def saved_coco(page, folder):
    page.click("#save-coco")
    path = folder / "coco.json"
    path.write_bytes(page.downloaded("coco.json"))
    return COCO(path)


def test_mask_png_numbers_the_objects_and_the_better_one_covers(shown):
    image = saved_masks(shown)
    assert (image.mode, image.size) == ("L", (60, 40))
    expected = np.zeros((40, 60), np.uint8)
    expected[:20], expected[20:, 30:], expected[:, :30] = 2, 3, 1  # 1 cat 0.90, 2 dog 0.60, 3 cat 0.30
    np.testing.assert_array_equal(image, expected)


def test_mask_png_has_the_objects_now_shown(shown):
    slide(shown, 0.5)
    np.testing.assert_array_equal(saved_masks(shown), np.where(CAT, 1, 2 * DOG))
    shown.click("#classes input[value=cat]")
    np.testing.assert_array_equal(saved_masks(shown), DOG)
    shown.click("#none")
    np.testing.assert_array_equal(saved_masks(shown), 0 * DOG)


@pytest.mark.parametrize("values", [[0, 1, 255, 2, 3, 4], [0, 255, 256, 65535, 257, 1]], ids=["8 bits", "16 bits"])
def test_grey_png_of_few_and_of_many_numbers(page, values):
    script = """
        const file = await greyPng(Uint16Array.from(args[0]), 3, 2);
        return [...new Uint8Array(await file.arrayBuffer())];
    """
    image = Image.open(io.BytesIO(bytes(page.run(script, values))))
    image.load()  # checks the sums of its chunks
    assert image.mode == ("L" if max(values) < 256 else "I;16")
    np.testing.assert_array_equal(image, np.reshape(values, (2, 3)))


def test_coco_json_of_pictures_of_one_name_tells_them_apart(page, tmp_path):
    sizes = {"a": (40, 60), "b": (20, 30), "c": (30, 20)}
    for folder, (height, width) in sizes.items():
        (tmp_path / folder).mkdir()
        page.choose_file("#file", picture(tmp_path / folder, height=height, width=width))
    page.wait_for("#progress", "3 of 3 pictures done")
    names = ["photo.png", "photo (2).png", "photo (3).png"]
    assert [name for name, _ in tiles(page)] == names
    images = saved_coco(page, tmp_path).dataset["images"]
    assert [image["file_name"] for image in images] == names
    assert [(image["height"], image["width"]) for image in images] == list(sizes.values())


@pytest.mark.parametrize(
    ("taken", "name", "free"),
    [
        (["a.tar.gz"], "a.tar.gz", "a.tar (2).gz"),
        (["a"], "a", "a (2)"),
        ([".png"], ".png", ".png (2)"),
        (["a.png", "a (2).png"], "a.png", "a (3).png"),
        (["a.png"], "b.png", "b.png"),
        ([], "", ""),
    ],
)
def test_free_name(page, taken, name, free):
    script = "gallery.pictures = args[0].map((name) => ({ name })); return freeName(args[1]);"
    assert page.run(script, taken, name) == free


def test_coco_json_of_all_pictures(page, tmp_path):
    page.choose_file("#file", picture(tmp_path), picture(tmp_path, "tall.png", height=80, width=30))
    page.wait_for("#progress", "2 of 2 pictures done")
    slide(page, 0.5)
    coco = saved_coco(page, tmp_path)
    assert coco.dataset["info"] == {"description": "Mask R-CNN, objects of score 0.50 and above"}
    assert coco.loadImgs([1, 2]) == [
        {"id": 1, "file_name": "photo.png", "width": 60, "height": 40},
        {"id": 2, "file_name": "tall.png", "width": 30, "height": 80},
    ]
    assert coco.loadCats([1, 2]) == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    found = coco.loadAnns(coco.getAnnIds())
    kept = [[item[key] for key in ("image_id", "category_id", "score", "area", "bbox", "iscrowd")] for item in found]
    assert kept == [
        [1, 1, 0.9, 30 * 40, [0, 0, 30, 40], 0],
        [1, 2, 0.6, 60 * 20, [0, 0, 60, 20], 0],
        [2, 1, 0.9, 15 * 80, [0, 0, 15, 80], 0],
        [2, 2, 0.6, 30 * 40, [0, 0, 30, 40], 0],
    ]
    np.testing.assert_array_equal(coco.annToMask(found[0]), CAT)
    np.testing.assert_array_equal(coco.annToMask(found[1]), DOG)
    assert [item["area"] for item in found] == [rle_tools.area(item["segmentation"]) for item in found]
    results = coco.loadRes(found)
    assert results.getAnnIds() == [1, 2, 3, 4]


def test_coco_json_has_the_objects_now_shown(shown, tmp_path):
    shown.click("#classes input[value=dog]")
    coco = saved_coco(shown, tmp_path)
    first, second = coco.loadAnns(coco.getAnnIds())
    assert [first["score"], second["score"]] == [0.9, 0.3]
    np.testing.assert_array_equal(coco.annToMask(second), SMALL)
    shown.click("#none")
    empty = saved_coco(shown, tmp_path)
    assert (len(empty.imgs), len(empty.cats), empty.anns) == (1, 2, {})


def test_coco_json_leaves_out_a_picture_that_failed(page, tmp_path):
    (tmp_path / "no.png").write_bytes(b"no picture")
    page.choose_file("#file", tmp_path / "no.png", picture(tmp_path))
    page.wait_for("#progress", "1 of 2 pictures done, 1 failed")
    page.run("while (byId('save-coco').disabled) await new Promise((next) => setTimeout(next, 10))")
    assert page.run("return [byId('save-masks').disabled, byId('save-annotation').disabled]") == [True, True]
    coco = saved_coco(page, tmp_path)
    assert [image["file_name"] for image in coco.imgs.values()] == ["photo.png"]
    assert len(coco.anns) == 3


def test_coco_runs_are_those_of_pycocotools(page):
    """Random masks in crops of random images, some of whole columns and of no pixel."""
    rng = np.random.default_rng(0)
    sizes = [(1, 1), (2, 3), (40, 60), (700, 20)]
    masks = [rng.random(size) < share for size in sizes for share in (0.0, 0.03, 0.5, 0.97, 1.0)]
    script = """
        return args[0].map(({ crop, x, y, width, height, size }) =>
          runsText(runs({ x, y, width, height, pixels: crop }, { height: size[0], width: size[1] })));
    """
    crops, expected = [], []
    for mask in masks:
        top, left = 3, 5
        whole = np.zeros((mask.shape[0] + 4, mask.shape[1] + 7), np.uint8)
        whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
        for image, x, y in ((whole, left, top), (mask.astype(np.uint8), 0, 0)):
            height, width = mask.shape
            crop = {"crop": mask.ravel().astype(int).tolist(), "x": x, "y": y, "width": width, "height": height}
            crops.append({**crop, "size": image.shape})
            expected.append(rle_tools.encode(np.asfortranarray(image))["counts"].decode())
    assert page.run(script, crops) == expected


def test_coco_runs_by_hand(page):
    script = "return runs({ x: 1, y: 0, width: 1, height: 2, pixels: [1, 0] }, { width: 2, height: 2 })"
    assert page.run(script) == [2, 1, 1]  # the first column is empty, of the second the upper pixel is set
    assert page.run("return runsText([2, 1, 1])") == "211"  # "0" is 0
    # 40 is 8 and 1 x 32: "X" is 48 + 8 + 32, then "1"; the fourth is 1 - 3 = -2, 30 in 5 bits: 48 + 30 is "N"
    assert page.run("return runsText([40, 3, 5, 1])") == "X135N"


def test_annotation_is_the_whole_answer(shown):
    shown.click("#none")
    shown.click("#save-annotation")
    saved = json.loads(shown.downloaded("photo.png.json"))
    assert saved["size"] == {"height": 40, "width": 60}
    assert [(item["classTitle"], item["tags"][0]["value"]) for item in saved["objects"]] == [
        ("cat", 0.9), ("dog", 0.6), ("cat", 0.3),
    ]  # fmt: skip


def test_downloads_by_keys(shown):
    shown.run("byId('boxes').focus()")
    shown.press("Tab", "Enter")
    assert shown.downloaded("photo_masks.png").startswith(b"\x89PNG")
