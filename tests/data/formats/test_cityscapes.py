"""Cityscapes' instance ids."""

import json

import cv2
import numpy as np
import pytest
from faster_coco_eval.core import mask as coco_mask

from mrcnn.data.formats import cityscapes
from mrcnn.errors import UserError
from tests.data.formats import making
from tests.data.formats.making import HEIGHT, WIDTH


def write(root, split, values, *, name="ulm_000000_000019"):
    making.image(root / "leftImg8bit" / split / "ulm" / f"{name}_leftImg8bit.png")
    folder = root / "gtFine" / split / "ulm"
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{name}_gtFine_instanceIds.png"), values.astype(np.uint16))
    cv2.imwrite(str(folder / f"{name}_gtFine_labelIds.png"), np.zeros((HEIGHT, WIDTH), np.uint8))


def ids():
    values = np.full((HEIGHT, WIDTH), 7)  # road
    values[5:15, 10:20] = 26001
    values[8:10, 12:14] = 26000  # in front of the other car, which has a hole there
    values[20:30, 10:20] = 24  # a group of persons
    values[20:30, 30:40] = 5000  # a dynamic object, which has no class with objects
    return values


@pytest.mark.parametrize("inside", [".", "gtFine"])
def test_read_objects_and_groups(tmp_path, inside):
    write(tmp_path, "train", ids())
    write(tmp_path, "val", np.zeros((HEIGHT, WIDTH)), name="ulm_000001_000019")
    assert cityscapes.fits(tmp_path / inside)
    (train, val), report = making.read("cityscapes", tmp_path / inside)
    assert making.objects(train) == [("person", 100, [("iscrowd", None)]), ("car", 4, []), ("car", 96, [])]
    assert (train.split, train.dataset, val.split, val.annotation.labels) == ("train", "train_ulm", "val", ())
    assert (report.classes[:3], report.lost_images) == (("person", "rider", "car"), 0)


def test_read_names_what_cannot_be_used(tmp_path):
    write(tmp_path, "train", ids())
    write(tmp_path, "train", np.zeros((3, 3)), name="ulm_000001_000019")
    write(tmp_path, "train", ids(), name="ulm_000002_000019")
    (tmp_path / "leftImg8bit" / "train" / "ulm" / "ulm_000002_000019_leftImg8bit.png").unlink()
    items, report = making.read("cityscapes", tmp_path)
    assert (len(items), report.lost_images) == (1, 2)
    told = "\n".join(report.tally.lines())
    assert "its instance ids cannot be used" in told
    assert "file not found: train/ulm/ulm_000002_000019_gtFine_instanceIds.png" in told


def test_read_without_instance_ids(tmp_path):
    (tmp_path / "gtFine").mkdir()
    with pytest.raises(UserError, match=r"there is no \*_gtFine_instanceIds\.png in .*gtFine; download"):
        making.read("cityscapes", tmp_path)


def test_fits_what_is_cityscapes(tmp_path):
    assert not cityscapes.fits(tmp_path)


def test_read_keeps_void_pixels_and_numbers_of_classes_for_the_metric(tmp_path):
    values = ids()
    values[0, :3] = [0, 5, 29]  # unlabeled, dynamic, a group of caravans; 5000 is no value of a void pixel
    values[0, 3] = 29001  # one caravan, which is an object
    write(tmp_path, "train", values)
    [train], report = making.read("cityscapes", tmp_path)
    runs = train.annotation.extra[cityscapes.VOID]
    void = np.asarray(coco_mask.decode(runs))
    assert np.argwhere(void).tolist() == [[0, 0], [0, 1], [0, 2]]
    assert report.class_facts["car"] == {cityscapes.CLASS_ID: 26}
    assert json.dumps(runs)
    write(tmp_path / "other", "train", np.full((HEIGHT, WIDTH), 7))
    [plain], _ = making.read("cityscapes", tmp_path / "other")
    assert plain.annotation.extra == {}
