"""Checks the project made of the nuclei challenge's folders."""

import cv2
import numpy as np
import pytest

from mrcnn.convert import nuclei
from mrcnn.project.reader import Project


def _write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def _mask(*spots, shape=(6, 8)):
    mask = np.zeros(shape, np.uint8)
    for spot in spots:
        mask[spot] = 255
    return mask


@pytest.fixture
def source(tmp_path):
    """Five images; the first has two nuclei and an empty mask, the others have none."""
    for name in "abcde":
        _write(tmp_path / f"src/stage1_train/{name}/images/{name}.png", np.zeros((6, 8, 4), np.uint8))
    _write(tmp_path / "src/stage1_train/a/masks/1.png", _mask((slice(1, 3), slice(2, 5))))
    _write(tmp_path / "src/stage1_train/a/masks/2.png", _mask((4, 7), (5, 6)))
    _write(tmp_path / "src/stage1_train/a/masks/3.png", _mask())
    return tmp_path / "src"


def _run(source, out, *options):
    return nuclei.main(["--source", str(source), "--out", str(out), *options])


def _tags(directory):
    project = Project.open(directory)
    return {item.name: item.read_annotation(project.meta).tags[0].name for item in project.items}


def test_convert_the_masks_become_objects(source, tmp_path, capsys):
    assert _run(source, tmp_path / "out", "--val", "2") == 0
    assert "3 images tagged train, 2 tagged val, 2 nuclei; 0 images left out" in capsys.readouterr().err
    project = Project.open(tmp_path / "out")
    assert [item.name for item in project.items] == [f"{name}.png" for name in "abcde"]
    annotation = project.items[0].read_annotation(project.meta)
    assert annotation.size_hw == (6, 8)
    drawn = [label.geometry.to_mask(6, 8) for label in annotation.labels]
    assert [(mask.tolist(), corner) for mask, corner in drawn] == [
        ([[True] * 3] * 2, (1, 2)),
        ([[False, True], [True, False]], (4, 6)),
    ]
    assert sorted(_tags(tmp_path / "out").values()) == ["train"] * 3 + ["val"] * 2


def test_convert_keeps_masks_of_16_bits_whose_values_are_small(source, tmp_path):
    _write(source / "stage1_train/b/masks/1.png", _mask((2, 3)).astype(np.uint16) // 255)  # 1 of 65535
    assert _run(source, tmp_path / "out", "--val", "2") == 0
    project = Project.open(tmp_path / "out")
    (label,) = project.items[1].read_annotation(project.meta).labels
    assert label.geometry.to_mask(6, 8)[1] == (2, 3)


def test_convert_the_split_depends_on_the_seed_alone(source, tmp_path):
    for name, seed in (("x", "0"), ("y", "0"), ("z", "4")):
        assert _run(source / "stage1_train", tmp_path / name, "--val", "2", "--seed", seed) == 0
    assert _tags(tmp_path / "x") == _tags(tmp_path / "y") != _tags(tmp_path / "z")


def test_convert_a_broken_folder_is_reported_and_left_out(source, tmp_path, capsys):
    _write(source / "stage1_train/b/masks/1.png", _mask((0, 0), shape=(3, 3)))
    _write(source / "stage1_train/c/images/again.png", _mask())
    (source / "stage1_train/d/images/d.png").write_bytes(b"no image")
    assert _run(source, tmp_path / "out", "--val", "2") == 0
    printed = " ".join(capsys.readouterr().err.split())
    assert "3 images left out" in printed
    assert "1.png has size (3, 3), its image (6, 8)" in printed
    assert "found 2" in printed
    assert set(_tags(tmp_path / "out")) == {"a.png", "e.png"}


@pytest.mark.parametrize("count", ["0", "5", "-1"])
def test_convert_a_count_that_leaves_a_side_empty_is_one_line(source, tmp_path, capsys, count):
    assert _run(source, tmp_path / "out", f"--val={count}") == 1
    assert "--val must be from 1 to 4" in capsys.readouterr().err


def test_convert_a_folder_without_images_is_one_line(tmp_path, capsys):
    assert _run(tmp_path, tmp_path / "out") == 1
    printed = capsys.readouterr().err
    assert "no <id>/images folder" in printed
    assert printed.count("\n") == 1
