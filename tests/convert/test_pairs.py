"""Matches images with masks by name."""

import os
from pathlib import Path

import pytest

from mrcnn.convert import pairs
from mrcnn.data.tally import Tally
from mrcnn.errors import UserError
from mrcnn.events import JsonLog


def _paths(*names):
    return [Path(name) for name in names]


def _names(found):
    return [(pair.image.name, pair.mask.name) for pair in found]


def _touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("images", "masks", "suffix"),
    [
        (["a.jpg", "b.jpg"], ["a_mask.png", "b_mask.png"], "_mask"),
        (["a.jpg", "b.jpg"], ["a.png", "b.png"], ""),
        # "10_mask" and "11_mask" also begin with 1: "0_mask" and "1_mask" are there once each, "_mask" three times
        (["1.jpg", "10.jpg", "11.jpg"], ["1_mask.png", "10_mask.png", "11_mask.png"], "_mask"),
        (["a.jpg", "b.jpg"], ["a_long.png", "b_s.png"], "_s"),  # once each: the shorter
        (["a.jpg"], ["b_mask.png"], None),
        ([], ["b_mask.png"], None),
        (["a.jpg"], [], None),
    ],
)
def test_guess_suffix(images, masks, suffix):
    assert pairs.guess_suffix(_paths(*images), _paths(*masks)) == suffix


def test_match_counts_what_has_no_partner_and_what_has_several():
    tally = Tally()
    images = _paths("a.jpg", "b.jpg", "b.png", "c.jpg", "d e.jpg", "f.jpg")
    masks = _paths("a_m.png", "a_m.tif", "b_m.png", "d e_m.png", "f.png", "g_m.png")
    found = pairs.match(images, masks, suffix="_m", tally=tally)
    assert _names(found) == [("d e.jpg", "d e_m.png")]
    assert tally.lines() == [
        "1 image left out, several masks: a.jpg (a_m.png, a_m.tif)",
        "2 images left out, same name but for the extension: b.jpg, b.png",
        "2 images left out, no mask: c.jpg; f.jpg",
        "2 masks left out, no image: f.png; g_m.png",
    ]


def test_match_compares_names_in_one_unicode_form():
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    tally = Tally()
    found = pairs.match(_paths(f"{composed}.jpg"), _paths(f"{decomposed}_\u00fc.png"), suffix="_u\u0308", tally=tally)
    assert len(found) == 1
    assert tally.lines() == []
    pairs.match(_paths(f"{composed}.jpg", f"{decomposed}.jpg"), [], suffix="", tally=tally)
    assert tally.counts == {pairs.SAME_NAME: 2}


def test_match_of_nothing_is_empty():
    assert pairs.match([], [], suffix="", tally=Tally()) == []


def test_find_passes_over_other_files_and_says_so(tmp_path, capsys):
    images = _touch(tmp_path / "images", "b.JPG", "a.png", "note.txt", ".hidden.png")
    masks = _touch(tmp_path / "masks", "a.png", "b.jpg", "Thumbs.db", "._a.png")
    (images / "more").mkdir()
    (images / "link.png").symlink_to("nothing")
    tally = Tally()
    found = pairs.find(images, masks, None, log=JsonLog(), tally=tally)
    assert _names(found) == [("a.png", "a.png")]
    assert tally.lines() == [
        "1 mask left out, only PNG, BMP and TIFF keep every value: b.jpg",
        "2 images left out, no mask: b.JPG; link.png",
    ]
    printed = capsys.readouterr()
    assert f"ignored in {images}: 1 .txt files (note.txt), 1 folders (more)" in printed.out + printed.err
    assert "Thumbs.db" in printed.out + printed.err


def test_find_says_the_suffix_that_it_guessed(tmp_path, capsys):
    images, masks = _touch(tmp_path / "i", "a.jpg", "b.jpg"), _touch(tmp_path / "m", "a_x.png", "b_x.png", "a.png")
    assert _names(pairs.find(images, masks, None, log=JsonLog(), tally=Tally()))[1] == ("b.jpg", "b_x.png")
    printed = capsys.readouterr()
    assert "the mask of NAME is NAME_x, guessed from the names" in printed.out + printed.err
    assert _names(pairs.find(images, masks, "", log=JsonLog(), tally=Tally())) == [("a.jpg", "a.png")]
    assert "guessed" not in "".join(capsys.readouterr())


def test_find_follows_links(tmp_path):
    _touch(tmp_path / "real", "1.jpg", "1.png")
    for name, target in (("images", "1.jpg"), ("masks", "1.png")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"a{target[1:]}").symlink_to(tmp_path / "real" / target)
    (tmp_path / "linked").symlink_to(tmp_path / "masks")
    found = pairs.find(tmp_path / "images", tmp_path / "linked", None, log=JsonLog(), tally=Tally())
    assert _names(found) == [("a.jpg", "a.png")]
    (tmp_path / "again").symlink_to(tmp_path / "images")
    with pytest.raises(UserError, match="must be in different folders"):
        pairs.find(tmp_path / "images", tmp_path / "again", None, log=JsonLog(), tally=Tally())


@pytest.mark.parametrize(
    ("images", "masks", "message"),
    [
        ([], ["a.png"], "there is no image in .*images"),
        (["a.jpg"], [], "there is no mask as PNG, BMP or TIFF in .*masks"),
        (["a.jpg"], ["a.jpg"], "there is no mask as PNG, BMP or TIFF in .*masks"),
        (["a.jpg"], ["b.png"], "no mask in .* is named after an image in .*, for example b.png and a.jpg"),
    ],
)
def test_find_ends_where_nothing_can_match(tmp_path, images, masks, message):
    folders = _touch(tmp_path / "images", *images), _touch(tmp_path / "masks", *masks)
    with pytest.raises(UserError, match=message):
        pairs.find(*folders, None, log=JsonLog(), tally=Tally())


def test_find_names_a_folder_that_cannot_be_read(tmp_path):
    _touch(tmp_path / "images", "a.jpg")
    with pytest.raises(UserError, match=r"cannot read the folder .*gone: No such file"):
        pairs.find(tmp_path / "images", tmp_path / "gone", None, log=JsonLog(), tally=Tally())
    with pytest.raises(UserError, match=f"cannot read the folder .*{os.sep}a.jpg: Not a directory"):
        pairs.find(tmp_path / "images" / "a.jpg", tmp_path / "images", None, log=JsonLog(), tally=Tally())


def _pairs_of_folders(tmp_path, images, masks, folders, suffix=None):
    images, masks = _touch(tmp_path / "images", *images), _touch(tmp_path / "masks", *masks)
    for name in folders:
        (masks / name).mkdir()
    tally = Tally()
    found = pairs.find(images, masks, suffix, log=JsonLog(), tally=tally)
    return [(pair.image.name, pair.mask.name, pair.is_folder) for pair in found], tally.lines()


def test_find_takes_folders_and_files_of_masks(tmp_path, capsys):
    found, lines = _pairs_of_folders(tmp_path, ["a.v2.jpg", "b.jpg", "c.jpg"], ["b.png"], ["a.v2", "lost"])
    assert found == [("a.v2.jpg", "a.v2", True), ("b.jpg", "b.png", False)]
    assert lines == ["1 image left out, no mask: c.jpg", "1 folder left out, no image: lost"]
    printed = "".join(capsys.readouterr())
    assert f"1 of 2 images with masks: a folder in {tmp_path / 'masks'} with one mask for each object" in printed
    assert "ignored" not in printed


def test_find_guesses_the_suffix_of_folders_or_takes_it(tmp_path):
    found, lines = _pairs_of_folders(tmp_path / "1", ["a.jpg", "b.jpg"], [], ["a_m.x", "b_m.x", "a"])
    assert found == [("a.jpg", "a_m.x", True), ("b.jpg", "b_m.x", True)]
    assert lines == ["1 folder left out, no image: a"]
    assert _pairs_of_folders(tmp_path / "2", ["a.jpg"], [], ["a_m", "a"], "")[0] == [("a.jpg", "a", True)]


def test_find_ends_where_an_image_has_a_mask_and_a_folder(tmp_path):
    with pytest.raises(UserError, match=r"1 image with both a mask file and a folder of masks: b\.jpg \(b\.png, b\)"):
        _pairs_of_folders(tmp_path, ["a.jpg", "b.jpg"], ["b.png"], ["a", "b"])
