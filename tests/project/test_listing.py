from pathlib import Path

import pytest

from mrcnn.project import listing


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.png", True), ("a.JPG", True), ("a.tiff", True), ("a.gif", False), ("a.heic", False), ("png", False)],
)
def test_is_image(name, expected):
    assert listing.is_image(Path(name)) is expected


def test_passed_over_counts_by_kind_and_names_the_first():
    files = [Path(name) for name in ("a.png", "b.HEIC", "c.heic", "d.txt", "e.txt", "f.txt", "g.txt", "LICENSE")]
    assert listing.passed_over(files, folders=["x", "y"], hint="--recursive looks into them") == [
        "1 files without an extension (LICENSE)",
        "2 .heic files (b.HEIC, c.heic; convert them to PNG or JPEG)",
        "4 .txt files (d.txt, e.txt, f.txt, …)",
        "2 folders (x, y; --recursive looks into them)",
    ]


def test_passed_over_of_images_alone_is_empty():
    assert listing.passed_over([Path("a.png")]) == []
    assert listing.passed_over([]) == []


def test_few():
    assert listing.few(["a", "b", "c"]) == "a, b, c"
    assert listing.few(["a", "b", "c", "d"]) == "a, b, c, …"
    assert listing.few([]) == ""


def test_is_overlong_an_image_name_leaves_room_for_that_of_its_annotation():
    long, short = "n" * 247 + ".png", "ä" * 123 + ".png"  # 251 and 250 bytes; with .json 256 and 255
    assert (listing.is_overlong(long), listing.is_overlong(short)) == (True, False)
    assert (listing.is_image(Path(long)), listing.is_image(Path(short))) == (False, True)
    assert listing.passed_over([Path(long), Path(short)]) == [
        f"1 images with too long names ({'n' * 40}…; rename them)"
    ]
