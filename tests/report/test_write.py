import json
import re

import cv2
import numpy as np
import pytest

from mrcnn import files
from mrcnn.config.load import load_train_config
from mrcnn.data.sources.source import DataPaths, Settings
from mrcnn.errors import UserError
from mrcnn.report import write
from tests.data.coco import cases as coco_cases
from tests.data.sources.test_formats import labelme
from tests.serve import browser
from tests.train import tiny

CONFIG = load_train_config({})


def report(data, path, **rest):
    facts = write.write_report(DataPaths(data), Settings(), path, config=CONFIG, **rest)
    return facts, path.read_text(encoding="utf-8")


def test_write_report_is_one_file_that_loads_nothing(tmp_path):
    root = tiny.write_project(tmp_path / "p")
    facts, page = report(root, tmp_path / "new" / "labels.html")
    assert len(facts.images) == 7
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["labels.html"]
    assert not re.findall(r"""(?:src|href)=["'](?!data:image/jpeg;base64,|#)""", page)
    assert page.count("<img") >= 7  # each object
    assert page.startswith("<!DOCTYPE html>")


def test_write_report_twice_is_the_same_file(tmp_path):
    root = tiny.write_project(tmp_path / "p")
    assert report(root, tmp_path / "a.html")[1] == report(root, tmp_path / "b.html")[1]


def test_write_report_judges_objects_at_the_input_of_the_config(tmp_path):
    root = tiny.write_project(tmp_path / "p")
    assert "suggested below: min_dim 192, max_dim 256" in report(root, tmp_path / "a.html")[1]
    config = load_train_config({"input_size": {"min_dim": 64, "max_dim": 64}})
    write.write_report(DataPaths(root), Settings(), tmp_path / "b.html", config=config, from_config=True)
    assert "of the config: min_dim 64, max_dim 64" in (tmp_path / "b.html").read_text()


def test_write_report_escapes_titles_and_names(tmp_path):
    bad = "<script>alert(1)</script>"
    labelme(tmp_path / "in", 6, title=bad)
    _, page = report(tmp_path / "in", tmp_path / "a.html")
    assert bad not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("<script>") == 1


def test_write_report_of_data_without_objects(tmp_path):
    root = tiny.write_project(tmp_path / "p", train=2, val=1)
    for path in (root / "ds" / "ann").iterdir():
        path.write_text(json.dumps({**json.loads(path.read_text()), "objects": []}))
    facts, page = report(root, tmp_path / "a.html")
    assert [image.objects for image in facts.images] == [()] * 3
    assert "3 images (100%) without an object" in page
    assert "There is no object to learn." in page


def test_write_report_of_data_without_a_usable_image(tmp_path):
    root = tiny.write_project(tmp_path / "p", train=1, val=1)
    for path in (root / "ds" / "img").iterdir():
        path.write_bytes(b"")
    facts, page = report(root, tmp_path / "a.html")
    assert (facts.images, len(facts.skipped)) == ((), 2)
    assert "2 images cannot be used." in page
    assert "ds/0.png" in page


def test_write_report_keeps_the_former_file_after_an_error(tmp_path):
    (tmp_path / "a.html").write_text("old")
    with pytest.raises(UserError, match="does not exist"):
        report(tmp_path / "nothing", tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text() == "old"


def test_write_report_that_cannot_be_written_keeps_the_former_file(tmp_path, monkeypatch):
    def full(path):
        raise OSError(28, "No space left on device")

    root = tiny.write_project(tmp_path / "p", train=1, val=1)
    (tmp_path / "a.html").write_text("old")
    monkeypatch.setattr(files, "flush", full)
    with pytest.raises(UserError, match=r"cannot write the report .*No space left"):
        report(root, tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "p"]


def test_write_report_of_boxes_with_points(tmp_path):
    points = {"segmentation": [], "point_coords": [[12, 11]], "point_labels": [1]}
    content = coco_cases.content(coco_cases.annotation(1, **points), coco_cases.annotation(2, **points))
    path, images = coco_cases.write(tmp_path, content)
    config = load_train_config({"model": {"mask_supervision": "points"}})
    facts = write.write_report(DataPaths(path, images), Settings(), tmp_path / "a.html", config=config)
    assert sum(len(image.objects) for image in facts.images) == 2
    with pytest.raises(UserError, match="boxes without masks"):
        write.write_report(DataPaths(path, images), Settings(), tmp_path / "b.html", config=CONFIG)


def test_write_report_skips_images_above_the_limit_of_the_config(tmp_path):
    root = tiny.write_project(tmp_path / "p", train=1, val=1)
    large = np.zeros((600, 600, 3), np.uint8)  # 1.03 MB
    cv2.imwrite(str(root / "ds" / "img" / "0.png"), large)
    config = load_train_config({"max_image_mb": 1})
    facts = write.write_report(DataPaths(root), Settings(), tmp_path / "a.html", config=config)
    assert [skip.name for skip in facts.skipped] == ["ds/0.png"]
    assert "more than 1 MB" in facts.skipped[0].reason


@pytest.mark.slow  # starts a browser
@pytest.mark.skipif(browser.MISSING is not None, reason=str(browser.MISSING))
def test_write_report_in_a_browser(tmp_path):
    report(tiny.write_project(tmp_path / "p"), tmp_path / "a.html")
    with browser.browsing() as window:
        window.open((tmp_path / "a.html").as_uri())
        assert window.complaints() == []  # the policy allows all that the page has
        assert window.run("return [...document.images].every((image) => !image.complete || image.naturalWidth > 0)")
        assert window.run("return getComputedStyle(document.querySelector('rect.part-0')).fill") != "rgb(0, 0, 0)"
        window.click("button[data-copy]")
        window.wait_for("[role=status]", "Copied.")
