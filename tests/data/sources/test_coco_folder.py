"""Roboflow's COCO export."""

import pytest

from mrcnn.data.sources import coco_folder, table
from mrcnn.data.sources.samples import load_samples
from mrcnn.data.sources.source import DataPaths, Settings
from mrcnn.errors import UserError
from tests.data.coco import cases
from tests.data.formats import making


def write(root, *splits):
    """Writes a split with two images and a square in each; category 0 is the root without objects."""
    made = cases.content(
        cases.annotation(1, image_id=1),
        cases.annotation(2, image_id=2),
        images=[cases.image(1, "a.png"), cases.image(2, "b.png")],
        categories=[{"id": 0, "name": "animals", "supercategory": "none"}, {**cases.CAT, "supercategory": "animals"}],
    )
    for split in splits:
        for name in ("a.png", "b.png"):
            making.image(root / split / name, height=cases.HEIGHT, width=cases.WIDTH)
        making.write(root / split / coco_folder.FILE, made)


def test_open_source_of_both_splits(tmp_path):
    write(tmp_path, "train", "valid", "test")
    assert table.find(tmp_path) is table.FORMATS["coco_folder"]
    source = table.open_source(DataPaths(tmp_path))
    assert source.name == tmp_path.name
    samples = load_samples(source, Settings())
    assert [len(part) for part in (samples.train, samples.val)] == [2, 2]
    assert samples.class_title_to_idx == {"bg": 0, "cat": 1}
    assert all(str(tmp_path / "valid") in sample.image_path for sample in samples.val)


def test_open_source_without_a_split_to_validate_on(tmp_path):
    write(tmp_path, "train")
    samples = load_samples(table.open_source(DataPaths(tmp_path)), Settings())
    assert [len(part) for part in (samples.train, samples.val)] == [1, 1]


def test_expand_and_check_paths_refuse_further_paths(tmp_path):
    write(tmp_path, "train")
    table.check_paths(DataPaths(tmp_path))
    with pytest.raises(UserError, match="holds its images and splits: leave out --images"):
        coco_folder.check_paths(DataPaths(tmp_path, images=tmp_path))


def test_fits_what_is_no_such_folder(tmp_path):
    assert not coco_folder.fits(tmp_path)
    assert not coco_folder.fits(tmp_path / "none")
