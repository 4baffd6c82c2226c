"""Labelbox's NDJSON export."""

import json

import pytest

from mrcnn.data.formats import labelbox
from tests.data.formats import making
from tests.data.formats.making import HEIGHT, SQUARE, WIDTH

POLYGON = {"polygon": [{"x": x, "y": y} for x, y in SQUARE], "annotation_kind": "ImagePolygon"}


def item(name="cat", **content):
    return {"feature_id": "f1", "name": name, "classifications": [], **(content or POLYGON)}


def row(*objects, name="a.png", **more):
    label = {"annotations": {"objects": list(objects), "classifications": []}}
    return {
        "data_row": {"id": "c1", "external_id": name, "row_data": f"https://x.org/{name}?token=1"},
        "media_attributes": {"height": HEIGHT, "width": WIDTH},
        "projects": {"p": {"labels": [label]}},
        **more,
    }


def read(tmp_path, *rows, **options):
    lines = [line if isinstance(line, str) else json.dumps(line) for line in rows]
    return making.read("labelbox", making.write(tmp_path / "x.ndjson", "\n".join(lines)), **options)


def test_read_polygons_boxes_and_splits(tmp_path):
    making.image(tmp_path / "a.png")
    making.image(tmp_path / "b.png")
    answers = [
        {"name": "color", "radio_answer": {"name": "red"}},
        {"name": "parts", "checklist_answers": [{"name": "ear"}, {"name": "tail"}]},
        {"name": "note", "text_answer": {"content": "old"}},
    ]
    box = {"bounding_box": {"top": 5, "left": 10, "height": 10, "width": 10}}
    split = [{"schema_name": "split", "value": "valid"}]
    first = row(item(**POLYGON, classifications=answers), item("dog", **box), metadata_fields=split)
    (a, b), report = read(tmp_path, first, "", row(name="b.png"), boxes_as_masks=True)
    tags = [("color", "red"), ("parts", "ear, tail"), ("note", "old")]
    assert making.objects(a) == [("cat", 100, tags), ("dog", 100, [])]
    assert (a.annotation.labels[0].extra["sourceId"], a.split, b.split) == ("f1", "val", None)
    assert b.annotation.labels == ()
    assert report.tally.lines() == []


def test_read_finds_an_image_by_its_address(tmp_path):
    making.image(tmp_path / "a.png")
    content = row(item())
    content["data_row"]["external_id"] = None
    (found,), _ = read(tmp_path, content)
    assert found.name == "a.png"


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (3, "its shape is not known: x.ndjson line 1 object 1 (None)"),
        (item(polygon=[{"x": 1}]), "its entry is malformed: x.ndjson line 1 object 1 (`y` must be a number"),
        (item(polygon=7), "no mask: x.ndjson line 1 object 1"),
        (item(None), "no class: x.ndjson line 1 object 1"),
        (item(mask={"url": "https://x"}), "its mask is a web address; annotate polygons, or download"),
        (item(bounding_box={}), "its entry is malformed: x.ndjson line 1 object 1 (`top`"),
        (item(point={}, annotation_kind="ImagePoint"), "its shape has no area: x.ndjson line 1 object 1 (ImagePoint)"),
    ],
)
def test_read_names_a_broken_object_and_keeps_the_others(tmp_path, broken, line):
    making.image(tmp_path / "a.png")
    (found,), report = read(tmp_path, row(item(), broken))
    assert making.objects(found) == [("cat", 100, [])]
    assert report.tally.lines()[0].startswith(f"1 object left out, {line}")


def test_read_names_broken_lines_and_uses_the_first_label(tmp_path):
    making.image(tmp_path / "a.png")
    content = row(item())
    content["projects"]["q"] = {"labels": [{"annotations": {"objects": [item("dog")]}}]}
    (found,), report = read(tmp_path, content, "{", "[1]", row(name="gone.png"))
    assert [title for title, _, _ in making.objects(found)] == ["cat"]
    assert report.lost_images == 3
    told = "\n".join(report.tally.lines())
    assert "1 label not used, its image has several: x.ndjson line 1" in told
    assert "2 images left out, its line is malformed: x.ndjson line 2 (Expecting" in told
    assert "x.ndjson line 3 (no `data_row`)" in told


def test_fits_what_is_labelbox(tmp_path):
    assert labelbox.fits(making.write(tmp_path / "a.ndjson", json.dumps(row())))
    assert not labelbox.fits(making.write(tmp_path / "b.ndjson", "{}"))
    assert not labelbox.fits(tmp_path)
