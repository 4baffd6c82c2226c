"""Checks that projects are written completely or not at all."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from mrcnn import files
from mrcnn.errors import UserError
from mrcnn.project.annotation import Annotation, Label, Tag
from mrcnn.project.geometry import Bitmap
from mrcnn.project.meta import ClassMeta, ProjectMeta, TagMeta
from mrcnn.project.reader import Project
from mrcnn.project.writer import ProjectWriter

META = ProjectMeta(
    (ClassMeta("a", "bitmap", "#112233", {"id": 3}),), (TagMeta("train"),), extra={"projectType": "images"}
)
ANNOTATION = Annotation((4, 5), (Tag("train"),), (Label("a", Bitmap((1, 2), np.ones((2, 1), bool))),), "ö")


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "source.jpg"
    path.write_bytes(b"pixels")
    return path


def test_project_writer_what_is_written_can_be_read(tmp_path, image):
    with ProjectWriter(tmp_path / "out", META) as writer:
        writer.add("ds", "x.y.jpg", image, annotation=ANNOTATION)
        writer.add("ds/child", "z.png", b"more pixels", annotation=Annotation((1, 1)))
    project = Project.open(tmp_path / "out")
    assert project.meta == META
    assert [(item.dataset, item.name) for item in project.items] == [("ds", "x.y.jpg"), ("ds/child", "z.png")]
    assert project.items[0].ann_path == tmp_path / "out/ds/ann/x.y.jpg.json"
    assert project.items[0].read_annotation(project.meta).to_json() == ANNOTATION.to_json()
    assert project.items[1].image_path == tmp_path / "out/ds/datasets/child/img/z.png"
    assert project.items[1].image_path.read_bytes() == b"more pixels"


def test_project_writer_annotation_text_is_compact_and_meta_indented(tmp_path, image):
    with ProjectWriter(tmp_path / "out", META) as writer:
        writer.add("ds", "x.jpg", image, annotation=ANNOTATION)
    text = (tmp_path / "out/ds/ann/x.jpg.json").read_text()
    assert "\n" not in text
    assert json.loads(text)["tags"] == [{"name": "train", "value": None}]
    assert (tmp_path / "out/meta.json").read_text().startswith('{\n    "classes"')


def test_project_writer_images_are_linked_where_possible(tmp_path, image):
    link = tmp_path / "link.jpg"
    link.symlink_to(image.name)
    with ProjectWriter(tmp_path / "out", META) as writer:
        writer.add("ds", "x.jpg", image, annotation=ANNOTATION)
        writer.add("ds", "y.jpg", link, annotation=ANNOTATION)
    for name in ("x.jpg", "y.jpg"):
        assert (tmp_path / "out/ds/img" / name).samefile(image)
        assert not (tmp_path / "out/ds/img" / name).is_symlink()


def test_project_writer_images_are_copied_where_linking_fails(tmp_path, image, monkeypatch):
    def refuse(*_):
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    with ProjectWriter(tmp_path / "out", META) as writer:
        writer.add("ds", "x.jpg", image, annotation=ANNOTATION)
    copied = tmp_path / "out/ds/img/x.jpg"
    assert copied.read_bytes() == b"pixels"
    assert not copied.samefile(image)


def test_project_writer_the_project_appears_when_all_of_it_is_on_the_disk(tmp_path, image, monkeypatch):
    seen = []
    monkeypatch.setattr(files, "flush", lambda path: seen.append(os.path.relpath(path, tmp_path)))
    monkeypatch.setattr(os, "sync", lambda: pytest.fail("waits for what other programs write"))
    with ProjectWriter(tmp_path / "out", META) as writer:
        writer.add("ds", "x.jpg", image, annotation=ANNOTATION)
    folder = ["", "/ds", "/ds/ann", "/ds/ann/x.jpg.json", "/ds/img", "/ds/img/x.jpg", "/meta.json"]
    assert sorted(seen[:-1]) == [f"out.partial{path}" for path in folder]  # each once, before the name changes
    assert seen[-1] == "."
    assert not (tmp_path / "out.partial").exists()


def test_project_writer_an_annotation_that_cannot_be_written_leaves_no_image_behind(tmp_path, image):
    with ProjectWriter(tmp_path / "out", META) as writer:
        with pytest.raises(TypeError):
            writer.add("ds", "x.jpg", image, annotation=Annotation((4, 5), extra={"no JSON": object()}))
        writer.add("ds", "y.jpg", image, annotation=ANNOTATION)
    assert [item.name for item in Project.open(tmp_path / "out").items] == ["y.jpg"]


def test_project_writer_nothing_appears_before_the_end(tmp_path, image):
    writer = ProjectWriter(tmp_path / "out", META)
    writer.add("ds", "x.jpg", image, annotation=ANNOTATION)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.lock", "out.partial", "source.jpg"]
    assert writer.finish() == tmp_path / "out"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source.jpg"]


def test_project_writer_an_exception_leaves_nothing(tmp_path, image):
    def stop_half_way():
        with ProjectWriter(tmp_path / "out", META) as writer:
            writer.add("ds", "x.jpg", image, annotation=ANNOTATION)
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        stop_half_way()
    assert [path.name for path in tmp_path.iterdir()] == ["source.jpg"]


def test_project_writer_an_empty_folder_and_a_dead_run_s_partial_folder_are_replaced(tmp_path, image):
    (tmp_path / "out").mkdir()
    (tmp_path / "out.partial" / "old").mkdir(parents=True)
    with ProjectWriter(tmp_path / "out", META) as writer:
        writer.add("ds", "x.jpg", image, annotation=ANNOTATION)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ds", "meta.json"]


def test_project_writer_an_empty_folder_may_be_a_symbolic_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    with ProjectWriter(tmp_path / "out", META) as writer:
        writer.add("ds", "x.png", b"", annotation=ANNOTATION)
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "real/meta.json").exists()


def test_project_writer_parent_folders_are_made(tmp_path):
    with ProjectWriter(tmp_path / "deep/er/out", META) as writer:
        writer.add("ds", "x.png", b"", annotation=ANNOTATION)
    assert (tmp_path / "deep/er/out/meta.json").exists()


def test_project_writer_the_meta_may_change_until_the_end(tmp_path):
    with ProjectWriter(tmp_path / "out", META) as writer:
        writer.meta = META.with_tags("late")
    tags = json.loads((tmp_path / "out/meta.json").read_text())["tags"]
    assert [tag["name"] for tag in tags] == ["train", "late"]


def test_project_writer_tags_that_the_meta_lacks_are_declared(tmp_path):
    label = Label("a", Bitmap((0, 0), np.ones((1, 1), bool)), (Tag("sure", 0.5), Tag("sure"), Tag("who", "me")))
    with ProjectWriter(tmp_path / "out", META) as writer:
        writer.add("ds", "x.png", b"", annotation=Annotation((1, 1), (Tag("n"), Tag("yes", True)), (label,)))
        writer.add("ds", "y.png", b"", annotation=Annotation((1, 1), (Tag("n", 3), Tag("train")), ()))
    tags = json.loads((tmp_path / "out/meta.json").read_text())["tags"]
    declared = {"n": "any_number", "yes": "any_string", "sure": "any_number", "who": "any_string"}
    assert {tag["name"]: tag["value_type"] for tag in tags} == {"train": "none", **declared}


def test_project_writer_text_that_is_no_unicode_survives(tmp_path, image):
    with ProjectWriter(tmp_path / "out", META) as writer:
        writer.add("ds", "x.jpg", image, annotation=Annotation((1, 1), description="\ud800"))
    assert json.loads((tmp_path / "out/ds/ann/x.jpg.json").read_text())["description"] == "\ud800"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_project_writer_an_occupied_output_is_refused_and_kept(tmp_path, kind):
    target = tmp_path / "out"
    kept = target / "kept" if kind == "folder" else target
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    with pytest.raises(UserError, match="must be new or an empty folder"):
        ProjectWriter(target, META)
    assert kept.read_text() == "mine"


def test_project_writer_an_output_below_a_file_is_one_line(tmp_path, image):
    with pytest.raises(UserError, match="cannot write to the output"):
        ProjectWriter(image / "out", META)


@pytest.mark.parametrize(
    ("dataset", "name"), [("..", "x.jpg"), ("ds", "../x.jpg"), ("", "x.jpg"), ("ds", ""), ("ds", "a\\b")]
)
def test_project_writer_names_stay_inside_the_project(tmp_path, image, dataset, name):
    writer = ProjectWriter(tmp_path / "out", META)
    with pytest.raises(UserError, match="cannot be the name"):
        writer.add(dataset, name, image, annotation=ANNOTATION)


def test_an_image_is_added_once(tmp_path, image):
    writer = ProjectWriter(tmp_path / "out", META)
    writer.add("ds", "x.jpg", image, annotation=ANNOTATION)
    with pytest.raises(UserError, match=r"x\.jpg is already in data set ds"):
        writer.add("ds", "x.jpg", image, annotation=ANNOTATION)


def test_project_writer_a_missing_image_is_one_line(tmp_path):
    writer = ProjectWriter(tmp_path / "out", META)
    with pytest.raises(UserError, match=r"cannot copy .*none\.jpg"):
        writer.add("ds", "x.jpg", tmp_path / "none.jpg", annotation=ANNOTATION)


def test_project_writer_a_second_writer_of_the_same_project_is_refused(tmp_path, image):
    with ProjectWriter(tmp_path / "p", META) as first:
        with pytest.raises(UserError, match=r"another run is writing to .*p \(process \d+"):
            ProjectWriter(tmp_path / "p", META)
        first.add("ds", "x.jpg", image, annotation=ANNOTATION)
    assert [item.name for item in Project.open(tmp_path / "p").items] == ["x.jpg"]


def test_add_refuses_a_name_too_long_and_leaves_nothing_of_it(tmp_path, image):
    with ProjectWriter(tmp_path / "out", META) as writer:
        with pytest.raises(UserError, match=r"the name of image .* is too long: its annotation file needs five bytes"):
            writer.add("ds", "n" * 251, image, annotation=Annotation((4, 5)))
        writer.add("ds", "n" * 246 + ".jpg", image, annotation=Annotation((4, 5)))
    assert sorted(path.suffix for path in (tmp_path / "out").rglob("*.*")) == [".jpg", ".json", ".json"]


@pytest.mark.parametrize("part", ["img", "ann", "meta.json"])
def test_project_writer_a_full_disk_is_one_line_with_the_path_and_leaves_nothing(tmp_path, image, monkeypatch, part):
    write_text, write_bytes = Path.write_text, Path.write_bytes

    def full(path, *args, **kwargs):
        if part in (path.parent.name, path.name):
            raise OSError(28, "No space left on device")
        return (write_text if isinstance(args[0], str) else write_bytes)(path, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", full)
    monkeypatch.setattr(Path, "write_bytes", full)

    def write():
        with ProjectWriter(tmp_path / "out", META) as writer:
            writer.add("ds", "a.jpg", image.read_bytes(), annotation=Annotation((4, 5)))

    with pytest.raises(UserError, match=r"^cannot write the (image|project) .*out.*: No space left on device$"):
        write()
    assert [path.name for path in tmp_path.iterdir()] == [image.name]
    monkeypatch.undo()
    write()  # the lock is free again


def test_project_writer_a_mount_point_is_refused_before_the_work(monkeypatch, tmp_path):
    monkeypatch.setattr(os.path, "ismount", lambda path: os.fspath(path) == str(tmp_path / "out"))
    with pytest.raises(UserError, match=r"the output .*out must not be a mount point; name a folder inside it"):
        ProjectWriter(tmp_path / "out", META)
