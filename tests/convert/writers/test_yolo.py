"""YOLO labels: rows, folders, the description of the data, and the same objects read back."""

import numpy as np
import pytest
import yaml

from benchmarks import formats
from mrcnn.convert.writers import outlines, yolo
from mrcnn.convert.writers.record import Picture
from mrcnn.data.coco import masks
from mrcnn.project.geometry import Polygon
from tests.convert.writers import making

SIZE = making.HEIGHT, making.WIDTH
SQUARE = making.cropped(making.SHAPES["square"], "dog")


def write(folder, *pictures):
    """Writes pictures; returns the losses, the remarks and the description."""
    setup = making.setup(folder)
    writer = yolo.YoloWriter(setup)
    for picture in pictures:
        writer.add(picture)
    remarks = writer.finish()
    return setup.losses, remarks, yaml.safe_load((folder / "data.yaml").read_text())


def test_row_of_a_square():
    found = outlines.trace(SQUARE.mask, SQUARE.origin)
    # (10 + 0.01) / 60 = 0.1668333, (5 + 0.01) / 40 = 0.12525; 20.01 / 60 = 0.3335, 15.01 / 40 = 0.37525
    assert yolo.row_of(found, number=3, size_hw=SIZE) == (
        "3 0.1668333 0.1252500 0.3335000 0.1252500 0.3335000 0.3752500 0.1668333 0.3752500"
    )


def test_row_of_the_whole_image_ends_at_1():
    row = yolo.row_of(outlines.trace(np.ones((4, 4), bool)), number=0, size_hw=(4, 4))
    assert row == "0 0.0025000 0.0025000 1.0000000 0.0025000 1.0000000 1.0000000 0.0025000 1.0000000"


def test_writer_makes_a_file_of_rows_for_each_image(tmp_path):
    pictures = [
        Picture("a b.png", "train", SIZE, (SQUARE, making.cropped(making.SHAPES["pixel"], "cat"))),
        Picture("sub/c.d.png", "val", SIZE),
    ]
    losses, remarks, described = write(tmp_path, *pictures)
    rows = (tmp_path / "labels/train/a b.txt").read_text().splitlines()
    assert [row.split()[0] for row in rows] == ["1", "0"]
    assert (tmp_path / "labels/val/sub/c.d.txt").read_text() == ""
    assert described == {"train": "images/train", "val": "images/val", "names": {0: "cat", 1: "dog"}}
    assert (remarks, losses.lines()) == ([], [])


def test_writer_says_which_splits_are_missing(tmp_path):
    losses, remarks, described = write(tmp_path, Picture("a.png", None, SIZE), Picture("b.png", "test", SIZE))
    assert described == {"test": "images/test", "names": {0: "cat", 1: "dog"}}
    assert "names no images for train and val" in remarks[0]
    assert "images of no split are in images/unsplit" in remarks[1]
    assert (tmp_path / "labels/unsplit/a.txt").is_file()
    assert losses.lines() == []


def test_writer_counts_what_it_joins_and_leaves_out(tmp_path):
    items = [making.cropped(making.SHAPES[name], score=0.5) for name in ("hole and part", "two parts")]
    crowd = making.cropped(making.SHAPES["square"], is_crowd=True)
    losses, _, _ = write(tmp_path, Picture("a.png", None, SIZE, (*items, crowd)))
    assert losses.kept == {"cat": 2}
    assert losses.lost == {"cat": 1}
    assert losses.lines() == [
        "1 object left out, it is a crowd, which the format has no place for: a.png object 2",
        "2 objects with a score, which the format has no place for: cat 2",
        "2 objects with several parts, joined by a line without a width: cat 2",
        "1 object with holes, joined to its outline by a line without a width: cat 1",
    ]


def test_writer_counts_a_row_that_is_there_twice(tmp_path):
    losses, _, _ = write(tmp_path, Picture("a.png", None, SIZE, (SQUARE, SQUARE)))
    assert losses.lines() == [f"1 {yolo.REPEATED}: dog 1"]


def test_image_path_has_one_folder_of_images(tmp_path):
    writer = yolo.YoloWriter(making.setup(tmp_path))
    assert writer.image_path(Picture("images/a.png", "train", SIZE)) == "images/train/images_/a.png"
    assert writer.image_path(Picture("images.png", None, SIZE)) == "images/unsplit/images.png"


def test_row_of_jagged_outlines_is_drawn_as_the_same_pixels():
    height, width = 479, 641  # whole and half pixels are no short fractions of them
    rings = [ring for seed in range(15) for ring in formats.outlines(7, seed=seed)]
    for mask, origin in filter(None, (Polygon(ring).to_mask(height, width) for ring in rings)):
        row = yolo.row_of(outlines.trace(mask, origin), number=0, size_hw=(height, width))
        points = np.array(row.split()[1:], float).reshape(-1, 2) * (width, height)
        drawn = masks.draw([points.ravel().tolist()], height=height, width=width)
        assert drawn.origin == origin
        np.testing.assert_array_equal(drawn.mask, mask)


@pytest.mark.parametrize("width", [60, 61, 997, 12345])
def test_rows_are_read_as_the_same_pixels(tmp_path, width):
    setup = making.setup(tmp_path)
    writer = yolo.YoloWriter(setup)
    items = [canvas for name, canvas in making.SHAPES.items() if name not in ("border", "all", "line", "corner pixel")]
    shifted = [making.cropped(canvas) for canvas in items]
    shifted = [item._replace(origin=(item.origin[0], item.origin[1] + width - 60)) for item in shifted]
    picture = Picture("a.png", "train", (40, width), tuple(shifted))
    making.photograph(tmp_path / writer.image_path(picture), width=width)
    writer.add(picture)
    writer.finish()
    read = making.found(tmp_path / "data.yaml")["a.png"]
    for canvas, (_, _, drawn) in zip(items, read, strict=True):
        np.testing.assert_array_equal(drawn[:, width - 60 :], canvas)
