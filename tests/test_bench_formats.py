"""The benchmark of the label formats reads what it writes; no time is checked."""

import numpy as np
import pytest

from benchmarks import formats


def test_main_prints_a_row_for_each_format(capsys):
    assert formats.main(["--images", "3", "--polygons", "2"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == "3 images of 640 x 480 pixels, 2 outlines of 24 points each"
    pairs = [(f"read {kind}", f"{kind} to a project") for kind in formats.WRITERS]
    names = [name for pair in pairs for name in pair] + [f"a project to {kind}" for kind in formats.written.WRITERS]
    assert [row[:28].strip() for row in rows[2:]] == names


def test_outlines_lie_in_the_image_and_depend_on_the_seed():
    first, again, other = (formats.outlines(4, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    points = np.concatenate(first)
    assert points.shape == (4 * formats.POINTS, 2)
    assert (points >= 0).all()
    assert (points <= (formats.WIDTH, formats.HEIGHT)).all()


def test_measure_refuses_data_that_is_not_all_read(tmp_path):
    path = formats.make_data("yolo", [[np.zeros((24, 2)), formats.outlines(1, seed=0)[0]]], tmp_path)
    with pytest.raises(RuntimeError, match="yolo: not all was kept"):
        formats.measure("yolo", path)
    with pytest.raises(RuntimeError, match="yolo: not all was kept"):
        formats.measure_converting("yolo", path, tmp_path)


def test_measure_writing_refuses_what_is_not_all_written(tmp_path):
    project = formats.make_project(tmp_path, [formats.outlines(2, seed=0)])
    (project / "ds" / "img" / "0.png").unlink()
    (project / "ds" / "img" / "0.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"no image of .* can be used"):
        formats.measure_writing("coco", project, tmp_path)
