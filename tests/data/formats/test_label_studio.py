"""Label Studio's JSON export."""

import numpy as np
import pytest

from mrcnn.data.formats import label_studio
from mrcnn.errors import UserError
from tests.data.formats import making
from tests.data.formats.making import HEIGHT, SQUARE, WIDTH
from tests.data.formats.test_label_studio_rle import encode

PERCENT = [[x / WIDTH * 100, y / HEIGHT * 100] for x, y in SQUARE]


def region(kind="polygonlabels", *, labels=("cat",), own="r1", **value):
    value = value or {"points": PERCENT}
    titles = {kind: list(labels)} if kind.endswith("labels") else {}
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    return {"id": own, "type": kind, "from_name": "label", "to_name": "image", "value": {**value, **titles}, **size}


def task(*regions, image="/data/upload/1/e3b0c442-a.png", number=7, **more):
    return {"id": number, "annotations": [{"result": list(regions)}], "data": {"image": image}, **more}


def read(tmp_path, *tasks, **options):
    return making.read("label_studio", making.write(tmp_path / "export.json", list(tasks)), **options)


def test_read_polygons_brushes_ellipses_and_boxes(tmp_path):
    making.image(tmp_path / "a.png")
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[20:30, 30:40] = True
    mask[24, 34] = False
    box = {"x": PERCENT[0][0], "y": PERCENT[0][1], "width": 10 / WIDTH * 100, "height": 10 / HEIGHT * 100}
    regions = [
        region(own="p"),
        region("brushlabels", labels=("dog",), own="b", format="rle", rle=list(encode(mask))),
        region("ellipselabels", own="e", x=50, y=50, radiusX=10, radiusY=25, rotation=0),
        region("rectanglelabels", own="q", rotation=0, **box),
        region("keypointlabels", own="k", x=1, y=2),
        region("choices", own="p", choices=["ripe", "big"]) | {"from_name": "state"},
        region("choices", own="z", choices=["night"]),
    ]
    (item,), report = read(tmp_path, task(*regions), boxes_as_masks=True)
    titles = [title for title, _, _ in making.objects(item)]
    assert titles == ["cat", "dog", "cat", "cat"]
    assert making.objects(item)[0] == ("cat", 100, [("state", "ripe, big")])
    assert item.annotation.labels[0].extra["sourceId"] == "p"
    np.testing.assert_array_equal(making.drawn(item.annotation.labels[1]), mask)
    assert abs(making.objects(item)[2][1] - np.pi * 6 * 10) < 4  # 10 % of 60, 25 % of 40
    np.testing.assert_array_equal(making.drawn(item.annotation.labels[3]), making.square())
    assert report.tally.lines() == ["1 object left out, its shape has no area: export.json task 7 object 4 (keypoint)"]
    _, report = read(tmp_path, task(*regions))
    assert report.lost == {"cat": 2}


def test_read_a_region_whose_label_is_another_result(tmp_path):
    making.image(tmp_path / "a.png")
    labels = {"id": "x", "type": "labels", "from_name": "l", "value": {"labels": ["ape"]}}
    (item,), _ = read(tmp_path, task(region("polygon", own="x", points=PERCENT, closed=True), labels))
    assert making.objects(item) == [("ape", 100, [])]


@pytest.mark.parametrize(
    ("annotations", "titles", "line"),
    [
        ([{"result": [region(labels=["a"])]}, {"result": [region(labels=["b"])]}], ["b"], "1 annotation not used"),
        ([{"result": [region(labels=["a"])], "ground_truth": True}, {"result": []}], ["a"], "1 annotation not used"),
        ([{"result": [region(labels=["a"])]}, {"result": [region()], "was_cancelled": True}], ["a"], None),
        ([{"result": []}], [], None),
        ([{"result": [region(labels=["a", "b"])]}], ["a"], "1 object with several labels"),
    ],
)
def test_read_chooses_an_annotation(tmp_path, annotations, titles, line):
    making.image(tmp_path / "a.png")
    (item,), report = read(tmp_path, {**task(), "annotations": annotations})
    assert [title for title, _, _ in making.objects(item)] == titles
    assert [told.split(",")[0] for told in report.tally.lines()] == ([line] if line else [])


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (region(points=[[1, "x"]]), "its region is malformed: export.json task 7 object 1 (`points` must be finite"),
        (region("brushlabels", format="rle", rle=[1, 2]), "its region is malformed: export.json task 7 object 1 (`rle"),
        (region("brushlabels", format="rle", rle=5), "its region is malformed"),
        (region("brushlabels", format="rle", rle=[300]), "its region is malformed"),
        (region("brushlabels", format="rle", rle=[]), "no mask: export.json task 7 object 1"),
        (region("ellipselabels", x=1), "its region is malformed: export.json task 7 object 1 (`y` must be"),
        (region(labels=()), "no class: export.json task 7 object 1"),
        (region() | {"image_rotation": 90}, "its image was turned in Label Studio: export.json task 7 object 1"),
        (region() | {"original_width": 3}, "it was drawn on an image of another size: export.json task 7 object 1"),
        (region() | {"value": None}, "its region is malformed"),
        (region("bitmasklabels", imageDataURL="x"), "its shape is not known: export.json task 7 object 1 (bitmask)"),
    ],
)  # fmt: skip
def test_read_names_a_broken_region_and_keeps_the_others(tmp_path, broken, line):
    making.image(tmp_path / "a.png")
    (item,), report = read(tmp_path, task(region(own="good"), broken))
    assert making.objects(item) == [("cat", 100, [])]
    assert report.tally.lines()[0].startswith(f"1 object left out, {line}")


def test_read_names_tasks_that_cannot_be_used(tmp_path):
    making.image(tmp_path / "a.png")
    tasks = [task(region()), 5, {**task(number=8), "annotations": []}, task(image="gone.png", number=9), {"id": 10}]
    items, report = read(tmp_path, *tasks)
    assert (len(items), report.lost_images) == (1, 4)
    told = "\n".join(report.tally.lines())
    assert "its task is malformed: export.json task 1 (5)" in told
    assert "its task has no annotation: export.json task 8; export.json task 10" in told
    assert "file not found: export.json task 9: there is no" in told
    with pytest.raises(UserError, match="must be a list of tasks, got dict"):
        making.read("label_studio", making.write(tmp_path / "x.json", {}))


@pytest.mark.parametrize(
    ("image", "names"),
    [
        ("/data/upload/1/e3b0c442-a%20b.png", ["/data/upload/1/e3b0c442-a b.png", "e3b0c442-a b.png", "a b.png"]),
        ("/data/local-files/?d=set/a.png", ["set/a.png", "a.png"]),
        ("https://x.org/b/a.jpg?token=1", ["/b/a.jpg", "a.jpg"]),
        ("a text", []),
        (3, []),
    ],
)
def test_file_names_of_a_task(image, names):
    assert label_studio.file_names({"data": {"image": image}}) == names


def test_file_names_of_an_upload():
    assert label_studio.file_names({"data": 3, "file_upload": "e3b0c442-a.png"}) == ["e3b0c442-a.png", "a.png"]


def test_fits_what_is_label_studio(tmp_path):
    assert label_studio.fits(making.write(tmp_path / "a.json", [task(region())]))
    assert not label_studio.fits(making.write(tmp_path / "b.json", [{"image": "a.jpg", "annotations": []}]))
    assert not label_studio.fits(making.write(tmp_path / "c.json", {"annotations": [], "result": 1}))
    assert not label_studio.fits(tmp_path)
