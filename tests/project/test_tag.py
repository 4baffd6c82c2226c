"""Checks the tagging command."""

import subprocess
import sys

import pytest

from mrcnn.errors import UserError
from mrcnn.project import tag
from mrcnn.project.annotation import Annotation, Tag
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.project.reader import Project
from mrcnn.project.writer import ProjectWriter


@pytest.fixture
def source(tmp_path):
    with ProjectWriter(tmp_path / "source", ProjectMeta((ClassMeta("a"),)).with_tags("good", "val")) as writer:
        for index in range(10):
            writer.add(
                "ds", f"{index}.png", b"", annotation=Annotation((1, 1), (Tag("good"), Tag("val")), description="kept")
            )
    return tmp_path / "source"


def _tags(directory):
    project = Project.open(directory)
    return [tuple(item.name for item in entry.read_annotation(project.meta).tags) for entry in project.items]


@pytest.mark.parametrize(
    ("count", "fraction", "expected"), [(10, 0.2, 2), (10, 0.01, 1), (10, 0.99, 9), (2, 0.5, 1), (1, 0.5, 0)]
)
def test_split_indices_leaves_one_on_each_side(count, fraction, expected):
    drawn = tag.split_indices(count, val_fraction=fraction, seed=0)
    assert len(drawn) == expected
    assert drawn <= set(range(count))


def test_split_indices_depends_on_the_seed_alone():
    draws = [tag.split_indices(100, val_fraction=0.5, seed=seed) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, float("nan")])
def test_split_indices_rejects_a_share_that_leaves_a_side_empty(fraction):
    with pytest.raises(UserError, match="above 0 and below 1"):
        tag.split_indices(10, val_fraction=fraction, seed=0)


def test_main_the_copy_is_tagged_and_keeps_the_rest(source, tmp_path, capsys):
    assert tag.main([str(source), str(tmp_path / "out"), "--val-fraction", "0.3"]) == 0
    assert "7 images tagged train, 3 tagged val" in capsys.readouterr().out
    tags = _tags(tmp_path / "out")
    assert sorted(tags) == [("good", "train")] * 7 + [("good", "val")] * 3
    project = Project.open(tmp_path / "out")
    assert [item.name for item in project.meta.tags] == ["good", "val", "train"]
    assert project.items[0].read_annotation(project.meta).description == "kept"
    assert _tags(source) == [("good", "val")] * 10


def test_main_all_train_gives_every_image_both_tags(source, tmp_path):
    options = ["--all-train", "--train-tag", "t", "--val-tag", "v"]
    assert tag.main([str(source), str(tmp_path / "out"), *options]) == 0
    assert _tags(tmp_path / "out") == [("good", "val", "t", "v")] * 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--val-fraction", "1"], "--val-fraction must be above 0"),
        (["--train-tag", "val"], "must differ"),
    ],
)
def test_main_a_mistake_is_one_line_on_stderr(source, tmp_path, capsys, options, message):
    assert tag.main([str(source), str(tmp_path / "out"), *options]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_it_runs_as_a_module(source, tmp_path):
    command = [sys.executable, "-m", "mrcnn", "tag", str(source), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "must be new or an empty folder" in done.stderr
    assert "Traceback" not in done.stderr
