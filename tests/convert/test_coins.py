"""Checks the demo project: each coin found, tiles as promised, no pixel shared between training and validation."""

import cv2
import numpy as np
import pytest
from skimage import data

from mrcnn.convert import coins as demo
from mrcnn.errors import UserError
from mrcnn.project.annotation import CROWD_TAG
from mrcnn.project.reader import Project


@pytest.fixture(scope="module")
def coins():
    return demo.segment_coins()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Project.open(demo.make_coins_project(tmp_path_factory.mktemp("demo") / "coins", seed=3, train_tiles=6))


def _read(project, prefix):
    items = [item for item in project.items if item.name.startswith(prefix)]
    return [(cv2.imread(str(item.image_path)), item.read_annotation(project.meta)) for item in items]


def _canvas(label, shape):
    canvas = np.zeros(shape, bool)
    mask, (y, x) = label.geometry.to_mask(*shape)
    canvas[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    return canvas


def test_segment_coins_24_coins_of_plausible_size_are_found(coins):
    assert len(coins) == 24
    assert all(coin.shape == (303, 384) for coin in coins)
    areas = sorted(int(coin.sum()) for coin in coins)
    assert 1000 < areas[0] < areas[-1] < 3300  # discs of 37 to 63 pixels across
    assert np.sum(coins, axis=0).max() == 1  # none overlaps another


def test_segment_coins_each_coin_is_one_clean_disc(coins):
    for coin in coins:
        count, _ = cv2.connectedComponents(coin.astype(np.uint8))
        holes, _ = cv2.connectedComponents((~coin).astype(np.uint8), connectivity=4)
        outline, _ = cv2.findContours(coin.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        _, radius = cv2.minEnclosingCircle(outline[0])
        assert (count, holes) == (2, 2)
        assert coin.sum() / (np.pi * radius**2) > 0.7


def test_segment_coins_coins_are_brighter_than_what_surrounds_them(coins):
    photograph = data.coins().astype(float)
    everything = np.any(coins, axis=0)
    for coin in coins:
        ring = cv2.dilate(coin.astype(np.uint8), np.ones((9, 9))).astype(bool) & ~everything
        assert photograph[coin].mean() > photograph[ring].mean() + 20


def test_segment_coins_the_photograph_is_refused_when_it_is_another(monkeypatch):
    monkeypatch.setattr(demo.data, "coins", lambda: np.full((303, 384), 10, np.uint8))
    with pytest.raises(UserError, match="must show 24 coins, found 0"):
        demo.segment_coins()


def test_validation_tiles_are_the_untouched_right_part(project):
    tiles = _read(project, "val")
    photograph = data.coins()
    assert [picture.shape for picture, _ in tiles] == [(150, 142, 3), (153, 142, 3)]
    joined = np.vstack([picture[..., 0] for picture, _ in tiles])
    np.testing.assert_array_equal(joined, photograph[:, demo.SPLIT_X :])
    assert all((picture == picture[..., :1]).all() for picture, _ in tiles)


def test_make_coins_project_validation_coins_are_whole_but_one(project, coins):
    tiles = _read(project, "val")
    assert [len(annotation.labels) for _, annotation in tiles] == [4, 5]
    whole = {int(coin.sum()) for coin in coins}
    areas = [int(_canvas(label, a.size_hw).sum()) for _, a in tiles for label in a.labels]
    cut = [area for area in areas if area not in whole]
    halved = next(coin for coin in coins if coin[:, : demo.SPLIT_X].any() and coin[:, demo.SPLIT_X :].any())
    assert cut == [int(halved[:, demo.SPLIT_X :].sum())]
    assert 0.5 < cut[0] / halved.sum() < 0.6
    assert not any(label.has_tag(CROWD_TAG) for _, a in tiles for label in a.labels)


def test_training_tiles_hold_masks_that_fit_the_picture(project):
    tiles = _read(project, "train")
    assert len(tiles) == 6
    for picture, annotation in tiles:
        assert picture.shape == (160, 160, 3)
        assert annotation.size_hw == (160, 160)
        assert [tag.name for tag in annotation.tags] == ["train"]
        coins = [_canvas(label, (160, 160)) for label in annotation.labels]
        grey = picture[..., 0].astype(float)
        everything = np.any(coins, axis=0)
        assert len(coins) >= 4
        assert grey[everything].mean() > grey[~everything].mean() + 20
        # Where a mask ends inside the picture, so does its coin: just inside is brighter than just outside.
        inner = everything & ~cv2.erode(everything.astype(np.uint8), np.ones((7, 7))).astype(bool)
        outer = ~everything & cv2.dilate(everything.astype(np.uint8), np.ones((7, 7))).astype(bool)
        assert grey[inner].mean() > grey[outer].mean() + 15


def test_make_coins_project_small_pieces_are_ignored_and_larger_ones_are_not(project):
    smallest, largest = 1000 * 0.85**2, 3300 * 1.25**2  # areas of the coins after zooming
    for _, annotation in _read(project, "train"):
        for label in annotation.labels:
            area = label.geometry.mask.sum()
            if label.has_tag(CROWD_TAG):
                assert area < demo.MIN_VISIBLE * largest
            else:
                assert area >= demo.MIN_VISIBLE * smallest


def test_make_coins_project_a_whole_coin_is_no_small_piece_however_small_it_is_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "_ZOOM", (0.4, 0.4))
    project = Project.open(demo.make_coins_project(tmp_path / "out", train_tiles=2, tile=64))
    labels = [
        (*label.geometry.to_mask(64, 64), label.has_tag(CROWD_TAG))
        for _, a in _read(project, "train")
        for label in a.labels
    ]
    whole = [
        crowd for mask, (y, x), crowd in labels if min(y, x) > 0 and max(y + mask.shape[0], x + mask.shape[1]) < 64
    ]
    assert len(whole) > 4
    assert not any(whole)


def test_training_tiles_end_inside_the_source(tmp_path, monkeypatch):
    framed = np.full((303, 384), 10, np.uint8)
    framed[[0, -1], :] = framed[:, [0, demo.SPLIT_X - 1]] = 250
    monkeypatch.setattr(demo, "segment_coins", lambda: [np.ones((303, 384), bool)] * 24)
    monkeypatch.setattr(demo.data, "coins", lambda: framed)
    project = Project.open(demo.make_coins_project(tmp_path / "out", train_tiles=12))
    # A tile may touch the frame, one pixel wide, on two sides; beyond it, the frame would be repeated in a broad band.
    bright = [int((picture[..., 0] > 130).sum()) for picture, _ in _read(project, "train")]
    assert max(bright) < 3 * 160


def test_make_coins_project_training_uses_the_left_part_only(tmp_path, monkeypatch):
    marked = np.full((303, 384), 10, np.uint8)
    marked[:, demo.SPLIT_X :] = 250
    monkeypatch.setattr(demo, "segment_coins", lambda: [np.ones((303, 384), bool)] * 24)
    monkeypatch.setattr(demo.data, "coins", lambda: marked)
    monkeypatch.setattr(demo, "_CONTRAST", (1.0, 1.0))
    monkeypatch.setattr(demo, "_BRIGHTNESS", 0.0)
    project = Project.open(demo.make_coins_project(tmp_path / "out", train_tiles=12))
    assert {int(value) for picture, _ in _read(project, "train") for value in np.unique(picture)} == {10}


def test_make_coins_project_the_seed_decides_everything(tmp_path):
    folders = [demo.make_coins_project(tmp_path / n, seed=s, train_tiles=2) for n, s in (("a", 1), ("b", 1), ("c", 2))]
    first, again, other = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")} for folder in folders
    )
    assert first == again
    assert {str(path) for path in first if first[path] != other[path]} == {
        f"coins/{kind}" for i in range(2) for kind in (f"img/train_00{i}.png", f"ann/train_00{i}.png.json")
    }


@pytest.mark.parametrize("numbers", [{"train_tiles": 0}, {"tile": 16}, {"tile": 161}])
def test_make_coins_project_numbers_out_of_range_are_one_line(tmp_path, numbers):
    with pytest.raises(UserError, match="`train_tiles` must be at least 1 and `tile` from 32 to 160"):
        demo.make_coins_project(tmp_path / "out", **numbers)


def test_main_the_command_says_what_it_made(tmp_path, capsys):
    assert demo.main(["--out", str(tmp_path / "out"), "--train-tiles", "1", "--tile", "64"]) == 0
    assert "1 training tiles and 2 validation tiles" in capsys.readouterr().err
    assert demo.main(["--out", str(tmp_path / "out")]) == 1
    assert "must be new or an empty folder" in capsys.readouterr().err
