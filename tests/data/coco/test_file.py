"""Reading of COCO annotation files."""

import json
import os

import pytest

from mrcnn.data.coco import file
from mrcnn.data.coco.file import list_images, read_coco
from mrcnn.errors import UserError
from mrcnn.fields.table import FIELDS
from tests.data.coco import cases as coco_cases
from tests.data.coco.cases import HEIGHT, SQUARE, WIDTH, annotation, content, image
from tests.fields import toy


def _read(folder, made, *, names=("a.png", "b.png")):
    return read_coco(*coco_cases.write(folder, made, names=names))


def _refused(folder, made):
    path, images = coco_cases.write(folder, {})
    path.write_bytes(made if isinstance(made, bytes) else json.dumps(made).encode())
    with pytest.raises(UserError) as caught:
        read_coco(path, images)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 500
    return str(caught.value).replace(str(path), "X")


def test_read_coco_sorts_and_reports(tmp_path):
    made = content(
        annotation(1, image_id=2, category_id=3),
        annotation(2, image_id=2, category_id=9, iscrowd=1),
        annotation(3, image_id=2, category_id=9, segmentation=None),
        annotation(4, image_id=77, category_id=9),
        images=[image(1, "sub/a.png"), image(2, "b.png"), image(3, "missing.jpg"), image(4, "c.gif")],
        categories=[{"id": 9, "name": "dog"}, {"id": 3, "name": "cat"}],
    )
    dataset = _read(tmp_path, made, names=("b.png", "sub/a.png", "c.gif"))
    assert dataset.categories == ("cat", "dog")  # by id
    assert [found.name for found in dataset.images] == ["b.png", "sub/a.png"]
    assert [item.is_crowd for item in dataset.images[0].objects] == [False, True, False]
    assert [item.category for item in dataset.images[0].objects] == ["cat", "dog", "dog"]
    assert dataset.images[1].objects == ()
    assert (dataset.images[0].height, dataset.images[0].width) == (HEIGHT, WIDTH)
    assert dataset.lost == 1
    assert dataset.warnings == (
        f"1 image left out, file not found: there is no {tmp_path / 'img/missing.jpg'}",
        "1 image left out, the project format does not allow this file type: c.gif",
        "1 object left out, image not in the file: annotation 4 of image 77",
    )


def test_read_coco_names_three_of_many(tmp_path):
    made = content(*(annotation(number, image_id=1, category_id=5) for number in range(9)), annotation(9, image_id=1))
    dataset = _read(tmp_path, made)
    assert dataset.lost == 9
    (line,) = dataset.warnings
    assert line.startswith("9 objects left out, category not in the file: annotation 0 of image a.png")
    assert line.endswith("annotation 2 of image a.png (category 5); …")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_read_coco_in_each_encoding(tmp_path, encoding):
    made = content(categories=[{"id": 1, "name": "\u043a\u043e\u0442"}])
    path, images = coco_cases.write(tmp_path, made)
    path.write_bytes(json.dumps(made, ensure_ascii=False).encode(encoding))
    assert read_coco(path, images).categories == ("\u043a\u043e\u0442",)


def test_read_coco_asks_for_utf_8(tmp_path):
    data = json.dumps(content(categories=[{"id": 1, "name": "caf\u00e9"}]), ensure_ascii=False).encode("latin-1")
    assert "save it as UTF-8" in _refused(tmp_path, data)


def test_read_coco_reads_lvis_images(tmp_path):
    lvis = {"id": 1, "coco_url": "http://images.cocodataset.org/train2017/a.png", "height": HEIGHT, "width": WIDTH}
    dataset = _read(tmp_path, content(annotation(1), images=[lvis]), names=("train2017/a.png",))
    assert dataset.images[0].name == "train2017/a.png"
    assert len(dataset.images[0].objects) == 1


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ([], "X is no COCO instance file: it must be a JSON object, got []"),
        ({"a": 1}, "X is no COCO instance file: it needs a list `images`, got None"),
        ({}, "X is no COCO instance file: it needs a list `images`, got None"),
        ({**content(), "categories": {"1": "cat"}}, "it needs a list `categories`, got {'1': 'cat'}"),
        ({**content(), "annotations": {}}, "X is no COCO instance file"),
        ({**content(), "images": []}, "no image of X can be used from"),
        ({**content(), "images": [{"id": 2}]}, "1 image left out, no `id` or no `file_name`: number 0"),
        ({**content(), "images": [3, None, {"file_name": "a.png"}, image(True, "a.png")]}, "4 images left out"),
        ([{"image_id": 1, "category_id": 1, "score": 1}], "X is a COCO results list, no COCO instance file; it holds"),
        ({"images": [], "annotations": [{"caption": "x"}]}, "X is a COCO captions file"),
        ({"images": [], "categories": []}, "X is a list of images without annotations"),
        ({"shapes": [], "imagePath": "a.png"}, "X is a labelme file, no COCO instance file; export the annotations"),
        (b"names: [cat]\n", "X is a YOLO data set description, not COCO; export the annotations as COCO"),
        (b"", "X is not valid JSON"),
        (b'{"images": [', "X is not valid JSON"),
        (b"[" * 100_000, "X is not valid JSON"),
        (content(annotation(1, segmentation=[])), "nothing can be learnt from X: it has 1 boxes without masks"),
        (content(annotation(1, segmentation=[], bbox=[])), "nothing can be learnt from X: it has 1 objects without"),
        (content(categories=[{"id": 1, "name": ""}]), "X: category 1 has no name"),
    ],
)  # fmt: skip
def test_read_coco_refuses_other_files(tmp_path, made, message):
    assert message in _refused(tmp_path, made)


def test_read_coco_of_no_folder(tmp_path):
    path, _ = coco_cases.write(tmp_path, content())
    with pytest.raises(UserError, match=r"the images' folder .*none does not exist"):
        read_coco(path, tmp_path / "none")


def test_read_coco_of_no_file(tmp_path):
    with pytest.raises(UserError, match="cannot read the annotation file"):
        read_coco(tmp_path / "none.json", tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_read_coco_does_not_wait_for_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "x.json")
    with pytest.raises(UserError, match="it is no regular file"):
        read_coco(tmp_path / "x.json", tmp_path)


def test_read_coco_leaves_images_out_that_share_an_id(tmp_path):
    made = content(
        annotation(1),
        annotation(2),
        images=[image(1, "a.png"), image(1, "b.png"), image(2, "c.png"), image(2, "c.png")],
    )
    dataset = _read(tmp_path, made, names=("a.png", "b.png", "c.png"))
    assert [found.name for found in dataset.images] == ["c.png"]  # listed twice alike: one image
    assert len(dataset.images[0].objects) == 1
    assert dataset.lost == 1
    assert dataset.warnings[0].startswith("2 images left out, since several images have one `id`")
    assert dataset.warnings[1] == "1 object left out, since the image is left out: annotation 1 of image 1"


def test_read_coco_joins_what_is_listed_under_several_ids(tmp_path):
    images = [image(1, "a.png"), image(2, "./a.png", height=9)]
    dataset = _read(tmp_path, content(images=images))
    assert [(found.name, len(found.objects)) for found in dataset.images] == [("a.png", 2)]
    assert (dataset.images[0].height, dataset.images[0].width) == (HEIGHT, WIDTH)  # asked, as the two differ
    assert len(dataset.warnings) == 2


@pytest.mark.parametrize("names", [("train/a.png", "val/a.png"), ("train/a.png", "a.png")])
def test_read_coco_mixes_no_images_whose_names_end_alike(tmp_path, names):
    images = [image(1, names[0]), image(2, names[1]), image(3, "b.png")]
    dataset = _read(tmp_path, content(annotation(1), annotation(2), annotation(3), images=images))
    found = {image.name: [item.name for item in image.objects] for image in dataset.images}
    own = {"a.png": ["annotation 2"]} if "a.png" in names else {}
    assert found == {**own, "b.png": ["annotation 3"]}
    assert "without folders its name is also that of another image: train/a.png could be a.png" in dataset.warnings[0]


def test_read_coco_says_where_a_size_is_not_the_images(tmp_path):
    made = content(images=[image(1, "a.png", width=WIDTH + 1), image(2, "b.png")])
    dataset = _read(tmp_path, made)
    assert dataset.warnings == (f"1 {file.OTHER_SIZE}: a.png (says 64x81, has 64x80)",)
    assert (dataset.images[0].height, dataset.images[0].width) == (HEIGHT, WIDTH + 1)


def test_read_coco_leaves_out_images_whose_size_nobody_knows(tmp_path):
    path, images = coco_cases.write(tmp_path, content(images=[image(1, "a.png"), image(2, "b.png", height=None)]))
    (images / "b.png").write_bytes(b"no image")
    dataset = read_coco(path, images)
    assert [found.name for found in dataset.images] == ["a.png"]
    assert "1 image left out, the file gives no `height` and `width`" in dataset.warnings[0]
    assert dataset.lost == 1


@pytest.mark.parametrize("value", [0, -64, 1.5, True, "x", [64], 10**12, 2**20, float("nan")])
def test_read_coco_asks_the_image_where_a_side_cannot_be(tmp_path, value):
    width = 2**10 if value == 2**20 else WIDTH  # more than 2^28 pixels
    made = content(images=[image(1, "a.png", height=value, width=width), image(2, "b.png")])
    dataset = _read(tmp_path, made)
    assert (dataset.images[0].height, dataset.images[0].width) == (HEIGHT, WIDTH)
    assert dataset.warnings == (f"1 {file.SIZE_ASKED}: a.png",)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, False), (1, True), (True, True), ("1", True), ("True", True), ("0", False), (None, False), (1.0, True)],
)
def test_read_coco_reads_iscrowd(tmp_path, value, expected):
    dataset = _read(tmp_path, content(annotation(1, iscrowd=value)))
    assert dataset.images[0].objects[0].is_crowd is expected


def test_read_coco_survives_deep_and_long_values(tmp_path):
    deep = []
    for _ in range(900):
        deep = [deep]
    made = content(
        {"image_id": deep, "category_id": deep, "segmentation": deep},
        annotation("\x1b[31m" * 1000, category_id="x" * 10_000),
        annotation(1, iscrowd=deep),
        annotation(2),
    )
    dataset = _read(tmp_path, made)
    assert dataset.lost == 3
    assert len(dataset.images[1].objects) == 1
    assert all(len(line) < 500 and "\x1b" not in line for line in dataset.warnings)


def test_read_coco_reads_a_segmentation_as_it_is(tmp_path):
    assert _read(tmp_path, content()).images[0].objects[0].segmentation == [SQUARE]


def test_read_coco_counts_the_images_left_out(tmp_path):
    images = [
        image(1, "a.png"),
        image(2, "b.png"),
        image(3, "gone.png"),
        {"id": 4},
        image(5, "c.gif"),
        image(5, "d.png"),
    ]
    dataset = _read(tmp_path, content(images=images), names=("a.png", "b.png", "c.gif", "d.png"))
    assert [found.name for found in dataset.images] == ["a.png", "b.png"]
    assert dataset.lost_images == 4  # of one id and no name, two that share an id, one without a file


def test_list_images_needs_no_annotations(tmp_path):
    path, folder = coco_cases.write(tmp_path, {"images": [image(1, "b.png"), {"id": 2, "file_name": "a.png"}]})
    assert list_images(path, folder) == (("a.png", "b.png"), ())


def test_list_images_names_what_is_missing(tmp_path):
    path, folder = coco_cases.write(tmp_path, content(images=[image(1, "a.png"), image(2, "gone.png")]))
    names, (line,) = list_images(path, folder)
    assert names == ("a.png",)
    assert line.startswith("1 image left out, file not found: there is no ")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"categories": []}, "X is no COCO file: it needs a list `images`, got None"),
        ([{"image_id": 1, "category_id": 1, "score": 1}], "X is a COCO results list: it needs a list `images`"),
        ({"images": []}, "no image of X can be used from Y: it lists none"),
        ({"images": [image(1, "gone.png")]}, "no image of X can be used from Y: 1 image left out, file not found"),
    ],
)
def test_list_images_refuses_other_files(tmp_path, made, message):
    path, folder = coco_cases.write(tmp_path, made)
    with pytest.raises(UserError) as caught:
        list_images(path, folder)
    assert message in str(caught.value).replace(str(path), "X").replace(str(folder), "Y")


def test_list_images_without_the_folder(tmp_path):
    path, folder = coco_cases.write(tmp_path, content())
    with pytest.raises(UserError, match=r"the images' folder .*none does not exist; name the folder of the images of"):
        list_images(path, folder / "none")


def test_read_coco_keeps_the_values_of_known_fields(tmp_path, monkeypatch):
    made = content(annotation(1, point=[3, 4], offset=[1, 2], author="me"), annotation(2))
    assert [image.objects[0].extras for image in _read(tmp_path, made).images] == [{}, {}]
    toy.register(monkeypatch)
    first, second = (image.objects[0] for image in _read(tmp_path, made).images)
    assert {name: value.tolist() for name, value in first.extras.items()} == {"point": [3, 4], "offset": [1, 2]}
    assert second.extras == {}


def test_read_coco_leaves_out_an_object_with_a_malformed_field(tmp_path, monkeypatch):
    toy.register(monkeypatch)
    dataset = _read(tmp_path, content(annotation(1, point=[3]), annotation(2)))
    assert [len(image.objects) for image in dataset.images] == [0, 1]
    assert dataset.lost == 1
    assert dataset.warnings == (
        "1 object left out, a value of an extra field is malformed: annotation 1 of image a.png "
        "(`point` must be finite numbers of shape [2], got [3])",
    )


class Far(toy.Point):
    """A point that must not be at the border."""

    def from_coco(self, annotation):
        if 0 in annotation[self.name]:
            raise ValueError("it is at the border")
        return super().from_coco(annotation)


def test_read_coco_reads_only_the_fields_asked_for(tmp_path, monkeypatch):
    toy.register(monkeypatch)
    path, images = coco_cases.write(tmp_path, content(annotation(1, point=[3], offset=[1, 2]), annotation(2)))
    dataset = read_coco(path, images, fields=["offset"])
    assert [[list(item.extras) for item in image.objects] for image in dataset.images] == [[["offset"]], [[]]]
    assert (dataset.lost, dataset.warnings) == (0, ())
    assert read_coco(path, images, fields=["point"]).lost == 1


def test_read_coco_leaves_out_an_object_where_a_field_raises_a_value_error(tmp_path, monkeypatch):
    monkeypatch.setitem(FIELDS, "point", Far())
    dataset = _read(tmp_path, content(annotation(1, point=[0, 3]), annotation(2, point=[4, 3])))
    assert [len(image.objects) for image in dataset.images] == [0, 1]
    assert dataset.warnings == (
        "1 object left out, a value of an extra field is malformed: annotation 1 of image a.png (it is at the border)",
    )


def test_read_coco_keeps_facts_that_coco_does_not_define(tmp_path):
    images = [
        image(1, "a.png", neg_category_ids=[2], coco_url="http://x/a.png"),
        image(2, "b.png", license=3),
        image(3, "a.png", neg_category_ids=[1], weather="rain"),  # the same file again
    ]
    dataset = _read(tmp_path, content(images=images, categories=[{"id": 1, "name": "cat", "frequency": "c"}]))
    assert [found.facts for found in dataset.images] == [{"neg_category_ids": [2], "weather": "rain"}, {}]
    assert dataset.category_facts == {"cat": {"id": 1, "frequency": "c"}}
