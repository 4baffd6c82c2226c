"""Image files of annotations: found by name, sized, refused."""

from pathlib import Path

import pytest

from mrcnn.data.formats import pictures as module
from mrcnn.data.formats.objects import Facts, ObjectList
from mrcnn.data.formats.pictures import Pictures
from mrcnn.data.formats.record import Job
from mrcnn.errors import UserError
from mrcnn.project.annotation import Tag
from tests.data.formats import making
from tests.data.formats.making import HEIGHT, WIDTH


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


def test_find_uses_the_first_name_that_exists(job, tmp_path):
    path = making.image(tmp_path / "sub" / "a.png")
    found = Pictures(job, tmp_path).find(None, "b.png", r"C:\data\sub\a.png", where="x")
    assert (found.path, found.size_hw) == (path, (HEIGHT, WIDTH))


def test_find_reports_what_is_missing_or_of_an_unknown_type(job, tmp_path):
    making.write(tmp_path / "a.gif", "")
    pictures = Pictures(job, tmp_path)
    assert [pictures.find(*names, where="x.json") for names in (("gone.png",), (), ("a.gif",))] == [None] * 3
    assert job.report.lost_images == 3
    lines = job.report.tally.lines()
    assert "2 images left out, file not found: x.json: there is no" in lines[0]
    assert lines[0].endswith("x.json names no image")
    assert lines[1] == "1 image left out, this type of image file is not read: x.json: a.gif"


def test_find_reads_nothing_outside_the_folder(job, tmp_path):
    making.image(tmp_path / "a.png")
    assert Pictures(job, tmp_path / "in").find("../a.png", where="x") is None


def test_find_in_the_folder_of_images_that_the_job_names(tmp_path):
    path = making.image(tmp_path / "elsewhere" / "a.png")
    pictures = Pictures(Job(tmp_path / "data", tmp_path / "elsewhere"), tmp_path / "data")
    assert pictures.find("a.png", where="x").path == path


def test_open_prefers_the_stated_size_and_counts_another(job, tmp_path):
    pictures, path = Pictures(job, tmp_path), making.image(tmp_path / "a.png")
    assert pictures.open(path, (WIDTH, HEIGHT)).size_hw == (WIDTH, HEIGHT)
    assert pictures.open(path, (None, 3)).size_hw == (HEIGHT, WIDTH)
    assert job.report.tally.lines() == [f"1 {module.OTHER_SIZE}: a.png (says 60x40, has 40x60)"]


def test_open_a_broken_image(job, tmp_path):
    assert Pictures(job, tmp_path).open(making.write(tmp_path / "a.png", "no PNG")) is None
    assert job.report.tally.counts["image left out, it cannot be read"] == 1


def test_found_names_data_set_and_split(job, tmp_path):
    pictures = Pictures(job, tmp_path)
    picture = pictures.open(making.image(tmp_path / "train" / "images" / "a.png"))
    objects = ObjectList(job, "a.txt", picture.size_hw)
    (item,) = pictures.found(picture, Path("a.txt"), objects=objects, tags=(Tag("night"),), split="train")
    assert (item.dataset, item.name, item.split) == ("train_images", "a.png", "train")
    assert [tag.name for tag in item.annotation.tags] == ["train", "night"]


def test_found_leaves_out_an_image_whose_objects_are_all_lost(job, tmp_path):
    pictures = Pictures(job, tmp_path)
    picture = pictures.open(making.image(tmp_path / "a.png"))
    objects = ObjectList(job, "a.txt", picture.size_hw)
    objects.add_box(Facts("cat", 1), [1, 1, 5, 1, 5, 5])
    assert list(pictures.found(picture, Path("a.txt"), objects=objects)) == []
    assert job.report.lost_images == 1


def test_beside_joins_and_stays_inside():
    assert module.beside(Path("sub"), r"..\img\a.png") == "img/a.png"
    assert module.beside(Path("sub"), "../../a.png") == "../../a.png"
    assert module.beside(Path("."), "a.png") == "a.png"
    assert module.beside(Path("sub"), None) == ""


def test_walk_skips_what_is_hidden(tmp_path):
    for name in ("b.json", "sub/a.JSON", ".c.json", ".d/e.json", "f.txt"):
        making.write(tmp_path / name, "")
    assert [path.name for path in module.walk(tmp_path, ".json")] == ["b.json", "a.JSON"]
    assert module.walk(tmp_path / "none", ".json") == []


def test_head_of_a_file_and_of_none(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf \n{1")
    assert module.head_of(tmp_path / "a") == b"{1"
    assert module.head_of(tmp_path) == b""


def test_read_json_names_the_file(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf[1]")
    assert module.read_json(tmp_path / "a.json") == [1]
    with pytest.raises(UserError, match=r"b\.json is not valid JSON"):
        module.read_json(making.write(tmp_path / "b.json", "{"))


@pytest.mark.parametrize(
    "size", [None, (1,), (0, 3), (1.5, 2), ("x", 2), (float("nan"), 2), (None, 3), (10**400, 2), (2**15, 2**14)]
)
def test_whole_size_of_what_is_none(size):
    assert module.whole_size(size) is None


def test_whole_size_as_text():
    assert module.whole_size(("40", 60.0)) == (40, 60)


def test_relative_to_a_folder_and_elsewhere():
    assert module.relative_to(Path("a/b/c.png"), Path("a")) == Path("b/c.png")
    assert module.relative_to(Path("x/c.png"), Path("a")) == Path("c.png")
