"""The images of the comparison: of a folder, and bundled."""

import tracemalloc

import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.export import pictures
from tests.predict import helpers as predict_helpers

from . import helpers


def test_bundled_pictures_have_many_sizes():
    found = pictures.bundled_pictures(max_dim=256, channels=3)
    assert [picture.image.shape for picture in found] == [
        (303, 384, 3), (303, 110, 3), (60, 80, 3), (512, 512, 3), (150, 512, 3), (384, 320, 3)
    ]  # fmt: skip
    assert {picture.image.dtype for picture in found} == {np.dtype(np.uint8)}
    assert len({picture.name for picture in found}) == 6
    grey = pictures.bundled_pictures(max_dim=64, channels=1)
    assert {picture.image.shape[2] for picture in grey} == {1}


def test_folder_pictures_are_spread(tmp_path, log):
    for index in range(40):
        (tmp_path / f"{index:02d}.png").write_bytes(helpers.encode(helpers.photo(8, 9, seed=index)))
    found = pictures.folder_pictures(tmp_path, channels=3, log=log)
    assert [picture.name for picture in found] == [f"{index * 40 // 24:02d}.png" for index in range(24)]
    np.testing.assert_array_equal(list(found)[1].image, helpers.photo(8, 9, seed=1))
    assert len(found) == 24


def write(folder, *sizes):
    folder.mkdir()
    for index, size in enumerate(sizes):
        (folder / f"{index:02d}.png").write_bytes(helpers.encode(helpers.photo(*size, seed=index)))
    return folder


def test_folder_pictures_add_other_sizes_where_there_are_few(tmp_path, log):
    found = pictures.folder_pictures(write(tmp_path / "few", (8, 12), (1, 1)), channels=3, log=log, varied=True)
    assert [(picture.name, picture.image.shape) for picture in found] == [
        ("00.png", (8, 12, 3)), ("01.png", (1, 1, 3)),
        ("00.png, narrow", (8, 6, 3)), ("00.png, half", (4, 6, 3)), ("00.png, resized", (12, 18, 3)),
        ("01.png, narrow", (1, 1, 3)), ("01.png, half", (1, 1, 3)), ("01.png, resized", (2, 2, 3)),
    ]  # fmt: skip
    # 17 and three parts of one are 20
    found = pictures.folder_pictures(write(tmp_path / "17", *[(8, 9)] * 17), channels=3, log=log, varied=True)
    assert len(found) == len(list(found)) == 20
    # enough images, but of one size
    same = write(tmp_path / "same", *[(8, 9)] * 30)
    found = pictures.folder_pictures(same, channels=3, log=log, varied=True)
    assert [picture.name for picture in found][-3:] == ["00.png, narrow", "00.png, half", "00.png, resized"]
    assert len(pictures.folder_pictures(same, channels=3, log=log)) == 24
    sizes = [(8, 9), (9, 8), (9, 9)] * 7
    assert len(pictures.folder_pictures(write(tmp_path / "many", *sizes), channels=3, log=log, varied=True)) == 21


def test_folder_pictures_of_one_channel_keep_it(tmp_path, log):
    found = pictures.folder_pictures(write(tmp_path / "in", (8, 12)), channels=1, log=log, varied=True)
    assert [picture.image.shape for picture in found] == [(8, 12, 1), (8, 6, 1), (4, 6, 1), (12, 18, 1)]


def test_folder_pictures_read_one_image_at_a_time(tmp_path, log):
    folder = write(tmp_path / "in", *[(500, 400)] * 12)  # 0.6 MB each
    found = pictures.arrays(pictures.folder_pictures(folder, channels=3, log=log))
    assert len(found) == 12
    tracemalloc.start()
    assert sum(image.shape[0] for image in found) == sum(image.shape[0] for image in found) == 6000  # twice
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * 500 * 400 * 3
    assert "a" not in found


def test_folder_pictures_that_go_away_are_one_line(tmp_path, log):
    found = pictures.folder_pictures(write(tmp_path / "in", (8, 9)), channels=3, log=log)
    (tmp_path / "in" / "00.png").unlink()
    with pytest.raises(UserError, match=r"00\.png could be read at first and cannot be read now; keep the images"):
        list(found)


def test_labelled_opens_the_images_with_a_tag(tmp_path):
    project = predict_helpers.write_scored_project(tmp_path)
    tagged, all_of_it = pictures.Labelled(project, "val").open(), pictures.Labelled(project).open()
    assert 0 < len(tagged.entries) < len(all_of_it.entries)
    with pytest.raises(UserError, match="has the tag 'test'"):
        pictures.Labelled(project, "test").open()


def test_folder_pictures_skip_a_broken_image(tmp_path, log):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"none of the images in .* could be read"):
        pictures.folder_pictures(tmp_path, channels=3, log=log)
    (tmp_path / "b.png").write_bytes(helpers.encode(helpers.photo(8, 9)))
    assert [picture.name for picture in pictures.folder_pictures(tmp_path, channels=3, log=log)] == ["b.png"]
    assert "a.jpg is skipped" in log.messages[0]
    with pytest.raises(UserError, match="does not exist"):
        pictures.folder_pictures(tmp_path / "none", channels=3, log=log)


def test_ways_keep_all_channels():
    image = np.arange(7 * 8 * 6, dtype=np.uint8).reshape(7, 8, 6)
    found = {name: way(image) for name, way in pictures.WAYS.items()}
    assert {name: item.shape for name, item in found.items()} == {
        "narrow": (7, 4, 6), "half": (4, 4, 6), "resized": (10, 12, 6)
    }  # fmt: skip
    alone = pictures.WAYS["half"](np.ascontiguousarray(image[..., 5:]))
    np.testing.assert_array_equal(found["half"][..., 5:], alone)
