"""The files of a COCO file's images."""

import os
import unicodedata

import pytest

from mrcnn.data.coco.images import ImageFolder
from mrcnn.errors import UserError


@pytest.fixture
def folder(tmp_path):
    for name in ("img/a.png", "img/train/b.png", "img/C D.png", "img/caf\u00e9.png", "secret.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "img"


@pytest.mark.parametrize("name", ["a.png", "./a.png", "train/b.png", "train//b.png"])
def test_find_exact(folder, name):
    found = ImageFolder(folder).find(name)
    assert found.is_exact
    assert (folder / found.name).is_file()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("images/a.png", "a.png"),
        ("data/train/b.png", "train/b.png"),  # the longest ending
        ("/home/me/img/a.png", "a.png"),
        ("/a.png", "a.png"),
        ("x/" * 100 + "a.png", "a.png"),
        ("C:\\data\\train\\b.png", "train/b.png"),
        ("..\\..\\a.png", "a.png"),
        ("../img/a.png", "a.png"),
        ("https://host/bucket/a.png?token=1/2#x", "a.png"),
        ("s3://bucket/train/b.png", "train/b.png"),
        ("C%20D.png", "C D.png"),
        ("A.PNG", "a.png"),
        ("TRAIN/b.png", "train/b.png"),
        (unicodedata.normalize("NFD", "caf\u00e9.png"), "caf\u00e9.png"),
    ],
)
def test_find_by_ending(folder, name, wanted):
    assert ImageFolder(folder).find(name) == (wanted, False)


def test_find_reads_backslashes_as_folders(folder):
    assert ImageFolder(folder).find("train\\b.png").name == "train/b.png"


@pytest.mark.parametrize("name", ["../secret.png", "train/../../secret.png", "..%2Fsecret.png", "%2e%2e/secret.png"])
def test_find_never_leaves_the_folder(folder, name):
    with pytest.raises(UserError, match="there is no"):
        ImageFolder(folder).find(name)
    with pytest.raises(UserError, match="there is no"):
        ImageFolder(folder).find(str(folder.parent / "secret.png"))


def test_find_says_that_a_name_leads_out(folder):
    with pytest.raises(UserError, match="leads out of the images' folder"):
        ImageFolder(folder).find("../secret.png")


def test_find_shows_what_was_looked_for(folder):
    with pytest.raises(UserError) as caught:
        ImageFolder(folder).find("images/x.png")
    assert str(caught.value) == f"there is no {folder / 'images/x.png'} and {folder / 'x.png'}"


@pytest.mark.parametrize("name", ["", "/", "..", ".", "a.png\0", "\ud800.png", "train", "x" * 5000, "y/" * 100_000])
def test_find_refuses_what_is_no_file(folder, name):
    with pytest.raises(UserError, match="there is no"):
        ImageFolder(folder).find(name)


def test_find_of_two_files_that_differ_in_case_alone(folder):
    (folder / "A.PNG").touch()
    with pytest.raises(UserError, match="there is no"):
        ImageFolder(folder).find("a.Png")
    assert ImageFolder(folder).find("A.PNG") == ("A.PNG", True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_find_passes_over_pipes(folder):
    os.mkfifo(folder / "pipe.png")
    with pytest.raises(UserError, match="there is no"):
        ImageFolder(folder).find("pipe.png")


def test_find_in_no_folder(tmp_path):
    with pytest.raises(UserError, match="there is no"):
        ImageFolder(tmp_path / "none").find("a.png")
