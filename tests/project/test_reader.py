"""Checks finding and reading projects on disk."""

import json
import os

import pytest

from mrcnn.errors import UserError
from mrcnn.project.reader import Project, read_json

META = {"classes": [{"title": "a", "shape": "point", "color": "#112233"}], "tags": []}
EMPTY = {"size": {"height": 2, "width": 3}, "tags": [], "objects": []}


def make_project(root, files, meta=META):
    """Writes a project: `files` maps paths to JSON content, or to bytes."""
    for path, content in {"meta.json": meta, **files}.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return root


def dataset(name, *images, old=False):
    """Returns the files of a data set."""
    files = {f"{name}/img/{image}": b"" for image in images}
    return files | {f"{name}/ann/{image.rpartition('.')[0] if old else image}.json": EMPTY for image in images}


def names(project):
    return [(item.dataset, item.name) for item in project.items]


def test_items_of_several_datasets_are_sorted(tmp_path):
    make_project(tmp_path / "fruit", dataset("b", "2.png", "1.jpg") | dataset("a", "z.JPEG", "Z.webp"))
    project = Project.open(tmp_path / "fruit")
    assert project.name == "fruit"
    assert names(project) == [("a", "Z.webp"), ("a", "z.JPEG"), ("b", "1.jpg"), ("b", "2.png")]
    item = project.items[2]
    assert item.image_path == tmp_path / "fruit/b/img/1.jpg"
    assert item.ann_path == tmp_path / "fruit/b/ann/1.jpg.json"
    assert item.read_annotation(project.meta).size_hw == (2, 3)


def test_project_open_old_annotation_names_are_found(tmp_path):
    project = Project.open(make_project(tmp_path, dataset("a", "x.y.jpeg", old=True)))
    assert project.items[0].ann_path.name == "x.y.json"


def test_project_open_the_new_name_goes_first(tmp_path):
    files = dataset("a", "x.jpg") | {"a/ann/x.json": EMPTY, "a/ann/orphan.jpg.json": EMPTY}
    assert Project.open(make_project(tmp_path, files)).items[0].ann_path.name == "x.jpg.json"


def test_project_open_two_images_with_their_own_new_names_may_share_a_stem(tmp_path):
    project = Project.open(make_project(tmp_path, dataset("a", "x.jpg", "x.png")))
    assert [item.ann_path.name for item in project.items] == ["x.jpg.json", "x.png.json"]


def test_project_open_nested_datasets_are_named_by_their_path(tmp_path):
    files = dataset("p", "1.png") | dataset("p/datasets/c", "2.png") | dataset("q/datasets/c/datasets/d", "3.png")
    project = Project.open(make_project(tmp_path, files))
    assert names(project) == [("p", "1.png"), ("p/c", "2.png"), ("q/c/d", "3.png")]
    assert project.warnings == ()


def test_other_files_and_folders_are_ignored(tmp_path):
    files = dataset("a", "1.png") | {
        "a/img_info/1.png.json": {},
        "a/meta/1.png.json": {},
        "a/seg/1.png.png": b"",
        "a/img/notes.txt": b"",
        "a/img/meta.json": {},
        "a/img/._1.png": b"",
        "a/ann/old.json": EMPTY,
        "__MACOSX/x": b"",
        ".hidden/img/1.png": b"",
        "key_id_map.json": {},
        "README.md": b"",
    }
    project = Project.open(make_project(tmp_path, files))
    assert names(project) == [("a", "1.png")]


def test_folders_that_are_named_like_images_are_ignored(tmp_path):
    files = dataset("a", "1.png") | {"a/img/2.png/3.png": b"", "a/ann/4.json/5.json": EMPTY}
    project = Project.open(make_project(tmp_path, files))
    assert (names(project), project.warnings) == ([("a", "1.png")], ())


def test_project_open_an_image_that_is_a_link_to_nothing_is_not_lost_silently(tmp_path):
    project = make_project(tmp_path, dataset("a", "1.png", "2.png"))
    (project / "a/img/2.png").unlink()
    (project / "a/img/2.png").symlink_to("nowhere")
    assert names(Project.open(project)) == [("a", "1.png"), ("a", "2.png")]


def test_links_to_folders_are_followed_but_not_round_and_round(tmp_path):
    make_project(tmp_path / "disk" / "fruit", dataset("a", "1.png") | dataset("a/datasets/b", "2.png"))
    make_project(tmp_path / "disk" / "more", dataset("c", "3.png"))
    root = tmp_path / "data" / "fruit"
    root.parent.mkdir()
    root.symlink_to(tmp_path / "disk" / "fruit")
    (root / "linked").symlink_to(tmp_path / "disk" / "more" / "c")
    for name in ("up", "up again"):
        (root / "a/datasets" / name).symlink_to("..")
    (root / "b").mkdir()
    (root / "a/datasets/b/datasets").symlink_to(root / "b")  # a/b/over is b, b/over is a/b
    (root / "b/over").symlink_to(root / "a/datasets/b")
    project = Project.open(tmp_path / "data")
    assert project.name == "fruit"
    assert names(project) == [("a", "1.png"), ("a/b", "2.png"), ("linked", "3.png")]


def test_a_project_under_two_names_is_one(tmp_path):
    make_project(tmp_path / "fruit", dataset("a", "1.png"))
    (tmp_path / "a link").symlink_to("fruit")
    assert Project.open(tmp_path).name == "fruit"


def test_project_open_a_folder_that_cannot_be_listed_is_one_line(tmp_path, monkeypatch):
    make_project(tmp_path, dataset("a", "1.png"))
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("img"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=r"cannot read the folder .*a/img: Permission denied"):
        Project.open(tmp_path)


@pytest.mark.parametrize("place", ["", "only", "only/inner"])
def test_the_project_is_found_in_the_folder_or_inside(tmp_path, place):
    make_project(tmp_path / "data" / place, dataset("a", "1.png"))
    project = Project.open(tmp_path / "data")
    assert project.path == tmp_path / "data" / place
    assert project.name == (place or "data").split("/")[-1]


def test_project_open_a_dataset_without_images_is_left_out_with_a_warning(tmp_path):
    files = dataset("a", "1.png") | {"b/ann/2.png.json": EMPTY}
    project = Project.open(make_project(tmp_path, files))
    assert names(project) == [("a", "1.png")]
    assert len(project.warnings) == 1
    assert "data set b" in project.warnings[0]


def test_read_annotation_one_broken_annotation_is_found_when_it_is_read(tmp_path):
    files = dataset("a", "1.png", "2.png", "3.png") | {
        "a/ann/1.png.json": b"{",
        "a/ann/2.png.json": {**EMPTY, "objects": [{"classTitle": "b", "tags": []}]},
    }
    project = Project.open(make_project(tmp_path, files))
    with pytest.raises(UserError, match=r"1\.png\.json is not valid JSON") as broken:
        project.items[0].read_annotation(project.meta)
    with pytest.raises(UserError, match=r"2\.png\.json: object 0: class 'b'") as unknown:
        project.items[1].read_annotation(project.meta)
    assert "\n" not in f"{broken.value}{unknown.value}"
    assert project.items[2].read_annotation(project.meta).labels == ()


def test_read_annotation_an_annotation_that_vanished_is_one_line(tmp_path):
    project = Project.open(make_project(tmp_path, dataset("a", "1.png")))
    project.items[0].ann_path.unlink()
    with pytest.raises(UserError, match=r"cannot read .*1\.png\.json"):
        project.items[0].read_annotation(project.meta)


def test_read_annotation_json_with_a_byte_order_mark_is_read(tmp_path):
    content = b"\xef\xbb\xbf" + json.dumps(EMPTY).encode()
    project = Project.open(make_project(tmp_path, dataset("a", "1.png") | {"a/ann/1.png.json": content}))
    assert project.items[0].read_annotation(project.meta).size_hw == (2, 3)


def test_all_that_prevents_opening_is_found(tmp_path):
    files = dataset("a", "1.png") | {f"a/img/{name}": b"" for name in ("2.png", "3.jpg", "3.png")}
    project, problems = Project.scan(make_project(tmp_path, files | {"a/ann/3.json": EMPTY}))
    assert names(project) == [("a", "1.png"), ("a", "3.jpg")]
    assert [problem.split(" ")[0] for problem in problems] == ["image", "annotation"]
    with pytest.raises(UserError, match=r"image 2\.png in data set a has no .*\(1 more such problems: see .*check\)"):
        Project.open(tmp_path)


def test_project_open_kinds_of_images_that_are_not_read_are_counted(tmp_path):
    files = dataset("a", "1.png") | {f"a/img/{name}": b"" for name in ("2.HEIC", "3.heic", "4.nrrd", "5.txt")}
    project = Project.open(make_project(tmp_path, files))
    assert names(project) == [("a", "1.png")]
    assert project.warnings == (
        "data set a has files that are passed over: 2 .heic files (2.HEIC, 3.heic; convert them to PNG or JPEG), "
        "1 .nrrd files (4.nrrd; convert them to PNG or JPEG), 1 .txt files (5.txt)",
    )


def test_project_open_annotations_without_an_image_are_counted(tmp_path):
    files = dataset("a", "1.png") | {f"a/ann/{name}.png.json": EMPTY for name in "56789"} | dataset("b", "1.png")
    project = Project.open(make_project(tmp_path, files | {"a/ann/notes.txt": b""}))
    expected = "data set a has 5 annotation files without an image (5.png.json, 6.png.json, 7.png.json, …)"
    assert project.warnings == (expected,)


@pytest.mark.parametrize("extra", ["blob/a.tar", "a/a_offsets.pkl"])
def test_project_open_images_in_archives_are_named_and_never_unpickled(tmp_path, extra):
    make_project(tmp_path, {"a/ann/1.png.json": EMPTY, extra: b"cos\nsystem\n(S'exit 1'\ntR."})
    with pytest.raises(UserError, match=r"keeps its images in archives.*export the project with image files"):
        Project.open(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no images"),
        ({"a/img/readme.txt": b"", "a/ann/x.json": EMPTY}, "has no images"),
        ({"a/ann/x.png.json": EMPTY}, "has no images.*data set a"),
        ({"a/img/1.png": b""}, r"image 1\.png in data set a has no annotation file"),
        ({"a/img/1.png": b"", "a/ann/1.JSON": EMPTY}, "has no annotation file"),
        ({"a/img/1.png": b"", "a/img/1.jpg": b"", "a/ann/1.json": EMPTY}, r"two images, 1\.jpg and 1\.png"),
        ({"meta.json": b"{"}, r"meta\.json is not valid JSON"),
        ({"meta.json": b"\xff\xfe\xff"}, r"meta\.json is not valid JSON"),
        ({"meta.json": {"classes": 3}}, r"meta\.json: the project's meta must be"),
    ],
)
def test_an_unusable_project_is_one_line(tmp_path, files, message):
    make_project(tmp_path, files)
    with pytest.raises(UserError, match=message) as caught:
        Project.open(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_no_folder_no_project_and_two_projects_are_one_line(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        Project.open(tmp_path / "none")
    with pytest.raises(UserError, match=r"neither it nor a folder inside it holds a meta\.json"):
        Project.open(tmp_path)
    for name in ("one", "two"):
        make_project(tmp_path / name, dataset("a", "1.png"))
    with pytest.raises(UserError, match="must hold one project, found 2"):
        Project.open(tmp_path)


def test_read_json_waits_for_no_pipe_and_reads_no_device(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    for name in ("pipe.json", "zero.json"):
        with pytest.raises(UserError, match=f"cannot read the file .*{name}: it is no regular file"):
            read_json(tmp_path / name)


def test_project_open_an_image_whose_name_is_too_long_for_an_annotation_is_left_out_and_named(tmp_path):
    long, short = "n" * 247 + ".png", "n" * 246 + ".png"  # 251 and 250 bytes; with .json 256 and 255
    (tmp_path / "p" / "ds" / "img").mkdir(parents=True)
    (tmp_path / "p" / "ds" / "ann").mkdir()
    (tmp_path / "p" / "meta.json").write_text('{"classes": []}')
    for name in (long, short):
        (tmp_path / "p" / "ds" / "img" / name).touch()
    (tmp_path / "p" / "ds" / "ann" / f"{short}.json").touch()
    project = Project.open(tmp_path / "p")
    assert [item.name for item in project.items] == [short]
    (line,) = project.warnings
    start = "data set ds has files that are passed over: 1 images with too long names (nnnn"
    assert line.startswith(start)
    assert line.endswith("n…; rename them)")
