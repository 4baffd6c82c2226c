"""What readers yield and report."""

import pytest

from mrcnn.data.formats.record import TEST, TRAIN, VAL, Found, Report, split_of
from mrcnn.project.annotation import Annotation
from mrcnn.project.meta import ProjectMeta


def test_found_read_annotation_returns_the_annotation(tmp_path):
    annotation = Annotation((3, 4))
    found = Found("ds", "a.png", tmp_path / "a.png", tmp_path / "a.json", annotation)
    assert found.read_annotation(ProjectMeta()) is annotation
    assert found.split is None


def test_report_lose_and_lose_image_and_declare():
    report = Report()
    report.declare(["dog", "ape"])
    report.lose("no area", "a.json object 3", title="cat")
    report.lose("no class", "a.json object 4")
    report.lose_image("file not found", "b.json")
    report.kept["bee"] += 2
    assert report.classes == ("dog", "ape", "bee", "cat")  # the listed ones, then by name
    assert (report.lost, report.lost_images) == ({"cat": 1, "": 1}, 1)
    assert report.tally.lines() == [
        "1 object left out, no area: a.json object 3",
        "1 object left out, no class: a.json object 4",
        "1 image left out, file not found: b.json",
    ]
    assert Report().classes == ()


@pytest.mark.parametrize(
    ("parts", "split"),
    [(["Train"], TRAIN), (["a", "valid"], VAL), (["test", "train"], TEST), (["trains"], None), ([], None)],
)
def test_split_of(parts, split):
    assert split_of(parts) == split
