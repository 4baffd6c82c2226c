"""The images of the comparison: of a folder, and bundled."""

import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.export import pictures

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
    assert [picture.name for picture in found] == [f"{index * 40 // 16:02d}.png" for index in range(16)]
    np.testing.assert_array_equal(found[1].image, helpers.photo(8, 9, seed=2))


def test_folder_pictures_skip_a_broken_image(tmp_path, log):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"none of the images in .* could be read"):
        pictures.folder_pictures(tmp_path, channels=3, log=log)
    (tmp_path / "b.png").write_bytes(helpers.encode(helpers.photo(8, 9)))
    assert [picture.name for picture in pictures.folder_pictures(tmp_path, channels=3, log=log)] == ["b.png"]
    assert "a.jpg is skipped" in log.messages[0]
    with pytest.raises(UserError, match="does not exist"):
        pictures.folder_pictures(tmp_path / "none", channels=3, log=log)
