"""The check of data that is no project."""

import pytest

from mrcnn.data import check_source
from mrcnn.data.sources.source import DataPaths, Settings
from mrcnn.errors import UserError
from tests.data.coco import cases as coco_cases
from tests.data.formats import making, test_cityscapes, test_labelme
from tests.data.sources.test_formats import labelme


def test_check_source_counts_classes_sets_and_crowds(tmp_path):
    test_cityscapes.write(tmp_path, "train", test_cityscapes.ids())
    test_cityscapes.write(tmp_path, "val", test_cityscapes.ids(), name="b")
    test_cityscapes.write(tmp_path, "test", test_cityscapes.ids(), name="c")
    report = check_source.check_source(DataPaths(tmp_path), Settings())
    assert (report.images, report.crowds) == ({"train": 1, "val": 1, "neither": 1}, 3)
    assert (report.objects["car", "train"], report.objects["car", "neither"]) == (2, 2)
    lines = check_source.format_report(report).splitlines()
    assert lines[0] == f"cityscapes data set in {tmp_path}"
    assert lines[1:5] == [
        "            train  val  neither  all",
        "images          1    1        1    3",
        "person          1    1        1    3",
        "rider           0    0        0    0",
    ]
    assert lines[-2:] == ["3 objects tagged iscrowd, ignored by training", "0 errors, 0 warnings"]


def test_check_source_of_images_that_cannot_be_decoded(tmp_path):
    labelme(tmp_path, 5)
    path = tmp_path / "3.png"
    path.write_bytes(path.read_bytes()[:60])  # the header is there, the pixels are not
    report = check_source.check_source(DataPaths(tmp_path), Settings())
    assert len(report.errors) == 1
    assert "3.png" in report.errors[0]
    assert report.images.total() == 4


def test_check_source_says_what_training_refuses(tmp_path):
    making.image(tmp_path / "a.png")
    labelme(tmp_path, 1)
    report = check_source.check_source(DataPaths(tmp_path), Settings())
    assert report.errors[0].startswith("training refuses this data: ")
    assert (report.images, report.objects) == ({"neither": 1}, {("cat", "neither"): 1})
    assert "1 error, 0 warnings" in check_source.format_report(report)


def test_check_source_of_boxes_with_points_is_refused_for_masks(tmp_path):
    points = {"segmentation": [], "point_coords": [[12, 11]], "point_labels": [1]}
    path, images = coco_cases.write(
        tmp_path, coco_cases.content(coco_cases.annotation(1, **points), coco_cases.annotation(2, **points))
    )
    paths = DataPaths(path, images)
    assert check_source.check_source(paths, Settings()).errors == []
    with pytest.raises(UserError, match=r"boxes without masks.*or learn from its points"):
        check_source.check_source(paths, Settings(), by_points=False)


def test_check_source_warns_of_images_with_more_objects_than_are_found(tmp_path):
    labelme(tmp_path, 5)
    shapes = [test_labelme.shape("cat"), test_labelme.shape("cat", group_id=1), test_labelme.shape("cat", group_id=1)]
    making.write(tmp_path / "3.json", test_labelme.content(*shapes, path="3.png"))
    paths = DataPaths(tmp_path)
    assert check_source.check_source(paths, Settings(), most_found=2).warnings == ()  # two shapes are one object
    assert check_source.check_source(paths, Settings(), most_found=1).warnings == (
        "1 image with more than the 1 objects that can be found in one, 3.png with 2; raise "
        "`model.detections_per_image`",
    )
