import cv2
import numpy as np
import pytest

from mrcnn.data.rasterize import from_masks
from mrcnn.data.sources import table
from mrcnn.data.sources.source import DataPaths, Settings
from mrcnn.report import gallery, scan
from mrcnn.report.gallery import Wanted
from tests.train import tiny

RED = (255, 0, 0)


def instances():
    """A square of 20 pixels at (40, 60), and one of 4 pixels far away."""
    masks = [np.ones((20, 20), bool), np.ones((4, 4), bool)]
    return from_masks(masks=masks, corners=[(40, 60), (0, 0)], class_ids=[1, 1], ignore=[False, False])


def test_crop_shows_an_object_with_its_surroundings():
    image = np.full((100, 200, 3), 100, np.uint8)
    picture = gallery.crop(image, instances(), item=0, colors=[RED, RED])
    # the box and 8 pixels (0.4 of 20) on each side are 36 pixels, enlarged 176 / 36 = 4.89 times
    assert picture.shape == (176, 176, 3)
    assert picture[88, 88].tolist() == [146, 70, 70]  # 0.7 * 100 + 0.3 * (255, 0, 0)
    assert picture[10, 10].tolist() == [100, 100, 100]
    assert picture[39, 88].tolist() == [255, 0, 0]  # the box begins at 8 * 4.89 = 39.1


def test_crop_at_the_border_is_smaller():
    picture = gallery.crop(np.zeros((100, 200, 3), np.uint8), instances(), item=1, colors=[RED, RED])
    assert picture.shape == (176, 176, 3)  # rows and columns 0 to 12: 4 and 8 around
    assert picture[100, 30].tolist() == [0, 0, 0]
    assert picture[30, 30, 0] > 0


def test_crop_of_the_whole_image_shows_all_objects():
    picture = gallery.crop(np.full((100, 200, 3), 100, np.uint8), instances(), item=None, colors=[RED, (0, 255, 0)])
    assert picture.shape == (88, 176, 3)
    assert picture[44, 61, 0] > picture[44, 61, 1]  # red, at 50 * 0.88 and 70 * 0.88
    assert picture[2, 1, 1] >= picture[2, 1, 0]  # green


def test_draw_reads_the_wanted_images(tmp_path):
    source = table.open_source(DataPaths(tiny.write_project(tmp_path / "p", train=2, val=1)), [])
    data = scan.scan(source, Settings())
    found = gallery.draw(source, data, [Wanted(0, 0), Wanted(2), Wanted(0, 0)], settings=Settings())
    assert set(found) == {Wanted(0, 0), Wanted(2)}
    decoded = cv2.imdecode(np.frombuffer(found[Wanted(2)], np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (132, 176, 3)  # of 48 x 64
    bar = cv2.imdecode(np.frombuffer(found[Wanted(0, 0)], np.uint8), cv2.IMREAD_COLOR)
    assert bar.shape[1] == 176
    assert bar.shape[0] != 132  # a bar of 13 x 25 pixels and 10 around it, not the whole image
    (tmp_path / "p" / "ds" / "img" / "0.png").unlink()
    assert set(gallery.draw(source, data, [Wanted(0, 0), Wanted(2)], settings=Settings())) == {Wanted(2)}
    assert gallery.draw(source, data, [], settings=Settings()) == {}


def test_encode_refuses_a_picture_without_pixels():
    with pytest.raises((ValueError, cv2.error)):
        gallery.encode(np.zeros((0, 5, 3), np.uint8))
