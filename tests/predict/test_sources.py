"""Projects and folders of images as what a run reads."""

import json
import os
import threading

import numpy as np
import pytest
from PIL import Image

from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.images import image_header
from mrcnn.predict import sources

from . import helpers

OBJECT = helpers.rectangle("cat", 0, 0, 4, 4)


@pytest.fixture
def project(tmp_path):
    return helpers.write_project(
        tmp_path / "animals",
        {
            "ds2/a.png": (10, 12, 50, [OBJECT], []),
            "ds1/b.png": (10, 12, 60, [], ["val"]),
            "ds1/a.png": (14, 12, 70, [OBJECT], ["val", "train"]),
        },
        tags=(("val", "none"), ("train", "none")),
    )


def read(source):
    skipped = []
    pictures = sources.read_pictures(source, channels=3, log=JsonLog(), on_skip=skipped.append)
    return list(pictures), skipped


def test_project(project):
    source = sources.open_project(project.parent)
    assert source.name == "animals"
    assert [entry.title for entry in source.entries] == ["ds1/a.png", "ds1/b.png", "ds2/a.png"]
    pictures, skipped = read(source)
    assert [picture.image[0, 0].tolist() for picture in pictures] == [[70] * 3, [60] * 3, [50] * 3]
    assert [len(picture.annotation.labels) for picture in pictures] == [1, 0, 1]
    assert skipped == []


def test_open_project_with_tag(project):
    source = sources.open_project(project)
    assert [entry.title for entry in sources.with_tag(source, "val").entries] == ["ds1/a.png", "ds1/b.png"]
    with pytest.raises(UserError, match=r"none of the 3 images has the tag 'test'; name another, .*meta\.json has"):
        sources.with_tag(source, "test")


def test_open_project_image_or_annotation_that_cannot_be_read_is_left_out_and_told(project, capsys):
    (project / "ds1" / "img" / "b.png").write_bytes(b"no image")
    (project / "ds2" / "ann" / "a.png.json").write_text("{")
    source = sources.open_project(project)
    pictures, skipped = read(source)
    assert [picture.index for picture in pictures] == [0]
    assert skipped == ["ds1/b.png", "ds2/a.png"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "ds1/b.png is skipped: cannot decode" in lines[0]
    assert "a.png.json is not valid JSON" in lines[1]
    assert [entry.name for entry in sources.with_tag(source, "nothing has it").entries] == [
        "a.png"
    ]  # stays: told later


def test_open_project_annotation_for_another_size_is_told_and_gets_the_images(project, capsys):
    helpers.write_image(project / "ds1" / "img" / "a.png", 20, 30, 70)
    pictures, _ = read(sources.open_project(project))
    assert pictures[0].annotation.size_hw == (20, 30)
    assert "ds1/a.png: its annotation is for (14, 12) pixels (height, width) but the image has (20, 30)" in (
        capsys.readouterr().err
    )


def test_read_pictures_names_one_mistake_of_many_images_three_times_and_counts_it(tmp_path, capsys):
    images = {f"ds/{number}.png": (10, 12, 60, [], []) for number in range(8)}
    root = helpers.write_project(tmp_path / "p", images)
    for number in range(5):
        (root / "ds" / "ann" / f"{number}.png.json").write_text("{")
    for number in range(5, 8):
        (root / "ds" / "img" / f"{number}.png").write_bytes(b"no image")
    _, skipped = read(sources.open_project(root))
    assert len(skipped) == 8
    lines = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert [line.split(":")[0] for line in lines[:-1]] == [
        f"ds/{number}.png is skipped" for number in (0, 1, 2, 5, 6, 7)
    ]
    assert lines[-1].startswith("5 times, e.g. ds/0.png is skipped: ")


def test_an_image_that_takes_too_much_memory_costs_only_itself(project, monkeypatch, capsys):
    def fail(path, *args, **kwargs):
        if path.name == "b.png":
            raise MemoryError("too large")
        return read_annotated(path, *args, **kwargs)

    read_annotated = sources.read_annotated
    monkeypatch.setattr(sources, "read_annotated", fail)
    pictures, skipped = read(sources.open_project(project))
    assert ([picture.index for picture in pictures], skipped) == ([0, 2], ["ds1/b.png"])
    assert "ds1/b.png is skipped: MemoryError: too large" in capsys.readouterr().err


def test_an_image_that_only_fits_its_annotation_as_stored_is_not_turned(project, capsys):
    pixels = np.full((14, 12, 3), 70, np.uint8)
    pixels[0] = 200  # the top row, which the quarter turn of the EXIF block would make a column
    block = Image.Exif()
    block[image_header.EXIF_ORIENTATION] = 6
    Image.fromarray(pixels).save(project / "ds1" / "img" / "a.png", exif=block)
    pictures, _ = read(sources.open_project(project))
    np.testing.assert_array_equal(pictures[0].image, pixels)
    assert pictures[0].annotation.size_hw == (14, 12)
    assert capsys.readouterr().err == ""


def test_folder_of_images(tmp_path):
    folder = tmp_path / "photos"
    for name, value in (("b.PNG", 20), ("a.jpg", 10), (".hidden.png", 1)):
        helpers.write_image(folder / name, 6, 8, value)
    (folder / "notes.txt").write_text("no image")
    helpers.write_image(folder / "inside" / "c.png", 6, 8, 30)
    source = sources.open_images(folder)
    assert source.name == "photos"
    assert [entry.title for entry in source.entries] == ["a.jpg", "b.PNG"]
    assert {entry.dataset for entry in source.entries} == {"ds"}
    pictures, _ = read(source)
    assert pictures[1].annotation.labels == ()
    assert pictures[1].annotation.size_hw == (6, 8)


def test_one_odd_name_in_a_folder_costs_only_itself(tmp_path, capsys):
    helpers.write_image(tmp_path / "a.png", 6, 8, 10)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "nothing.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.png")
    pictures, skipped = read(sources.open_images(tmp_path))
    assert [picture.index for picture in pictures] == [0]
    assert skipped == ["loop.png", "nothing.png", "pipe.png"]
    assert "pipe.png: it is no regular file" in capsys.readouterr().err


def test_folder_without_images(tmp_path):
    with pytest.raises(UserError, match=r"has no image; these kinds are read: .*\.png"):
        sources.open_images(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        sources.open_images(tmp_path / "nowhere")


def test_read_ahead_reports_in_order_and_only_when_called(project, capsys):
    (project / "ds1" / "img" / "a.png").write_bytes(b"no image")
    helpers.write_image(project / "ds1" / "img" / "b.png", 20, 30, 60)  # another size than annotated
    source, skipped = sources.open_project(project), []
    reading = sources.Reading(3)
    items = list(sources.read_ahead(source, reading, log=JsonLog(), on_skip=skipped.append, ahead=4))
    pictures = [item.index if isinstance(item, sources.Picture) else None for item in items]
    assert pictures == [None, None, 1, 2, None, None]
    assert (skipped, capsys.readouterr().err) == ([], "")
    items[0]()
    assert skipped == ["ds1/a.png"]
    assert "ds1/a.png is skipped: cannot decode" in capsys.readouterr().err
    items[1]()
    assert skipped == ["ds1/a.png"]
    assert "ds1/b.png: its annotation is for (10, 12) pixels" in capsys.readouterr().err


@pytest.mark.parametrize("ahead", [1, 3])
def test_read_ahead_reads_as_many_images_as_it_may(project, monkeypatch, ahead):
    started, done = [], threading.Event()
    read = sources.read_annotated

    def noted(path, *args, **kwargs):
        started.append(path.name)
        if len(started) == min(3, ahead + 1):
            done.set()
        return read(path, *args, **kwargs)

    monkeypatch.setattr(sources, "read_annotated", noted)
    source, reading = sources.open_project(project), sources.Reading(3)
    items = sources.read_ahead(source, reading, log=JsonLog(), on_skip=print, ahead=ahead)
    assert next(items).index == 0
    assert done.wait(10)
    items.close()
    assert len(started) == min(3, ahead + 1)
