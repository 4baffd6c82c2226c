"""The command `mrcnn look`; what it draws is tested in `tests/report/test_look.py`."""

import json

import pytest

from mrcnn.commands import look
from tests.train import tiny


def test_main_writes_pictures(tmp_path, capsys):
    root = tiny.write_project(tmp_path / "p")
    config = tmp_path / "train.json"
    config.write_text(json.dumps(tiny.CONFIG))
    out = tmp_path / "out"
    assert look.main([str(config), "--project", str(root), "--out", str(out), "--batches", "1"]) == 0
    assert [path.name for path in out.iterdir()] == ["epoch_0001_step_0001.png"]
    assert f"1 picture of the training's first batches in {out}" in capsys.readouterr().err
    assert look.main([str(config), "--project", str(root), "--out", str(out)]) == 1
    assert "must be new or an empty folder" in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "-1", "x"])
def test_main_refuses_other_numbers_of_batches(count, tmp_path, capsys):
    with pytest.raises(SystemExit):
        look.main(["c.json", "--project", str(tmp_path), "--out", str(tmp_path), "--batches", count])
    assert "whole number above 0" in capsys.readouterr().err


def test_main_refuses_options_without_their_data(tmp_path, capsys):
    config = tmp_path / "train.json"
    config.write_text(json.dumps(tiny.CONFIG))
    out = str(tmp_path / "out")
    assert look.main([str(config), "--project", str(tmp_path), "--images", "i", "--out", out]) == 1
    assert "--images has no effect without --data" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        look.main([str(config), "--out", out])
