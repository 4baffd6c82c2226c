"""The command `mrcnn check`; what it finds is tested in `tests/data/test_check.py`."""

import json
import os
import subprocess
import sys

import cv2
import pytest

from mrcnn.commands import check
from tests.data.sources.test_formats import labelme
from tests.train import tiny


@pytest.fixture
def root(tmp_path):
    """A project of one image, which has both tags."""
    folder = tiny.write_project(tmp_path / "shapes", train=1, val=0)
    path = folder / "ds" / "ann" / "0.png.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "tags": [{"name": "train"}, {"name": "val"}]}))
    return folder


def test_main_the_command_says_by_its_exit_code_whether_there_is_an_error(root):
    def run(*arguments):
        command = [sys.executable, "-m", "mrcnn", "check", *map(str, arguments)]
        env = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env)

    good = run(root)
    assert (good.returncode, "0 errors, 0 warnings" in good.stdout) == (0, True)
    empty = run(root, "--val-tag", "test")
    assert (empty.returncode, "train  test  neither" in empty.stdout) == (1, True)
    assert "error: training refuses this project: the validation set has no image" in empty.stdout
    (root / "ds" / "img" / "0.png").write_bytes(b"")
    bad = run(root.parent)
    assert bad.returncode == 1
    assert "3 errors, 0 warnings\nerror: cannot decode" in bad.stdout
    os.rename(root / "ds" / "img" / "0.png", os.fsencode(root / "ds" / "img") + b"/caf\xe9.png")
    os.rename(root / "ds" / "ann" / "0.png.json", os.fsencode(root / "ds" / "ann") + b"/caf\xe9.png.json")
    stray = run(root)
    assert (stray.returncode, "img/caf\\udce9.png" in stray.stdout) == (1, True)
    none = run(root / "ds" / "img")
    assert (none.returncode, none.stdout) == (1, "")
    assert "no project in" in none.stderr


def test_main_checks_data_of_a_label_format(tmp_path, capsys):
    labelme(tmp_path, 10)
    assert check.main(["--data", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "labelme data set in" in told
    assert "cat         8    2        0   10" in told
    assert "0 errors, 0 warnings" in told
    labelme(tmp_path, 1)
    (tmp_path / "0.png").write_bytes(b"")
    assert check.main(["--data", str(tmp_path)]) == 0  # the image is left out; the warning names it
    assert "warning: 1 image left out, it cannot be read" in capsys.readouterr().out
    assert check.main(["--data", str(tmp_path / "1.json")]) == 1
    assert "error: training refuses this data:" in capsys.readouterr().out


def test_main_refuses_options_without_their_data(root, capsys):
    assert check.main([str(root), "--images", str(root)]) == 1
    assert "--images has no effect without --data" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        check.main([])


def test_main_writes_a_report(root, tmp_path, capsys):
    page = tmp_path / "reports" / "labels.html"
    assert (
        check.main([str(root), "--report", str(page), "--val-tag", "test"]) == 1
    )  # the report is written all the same
    assert f"report in {page}" in capsys.readouterr().err
    assert "training refuses this data" in page.read_text()
    labelme(tmp_path / "other", 10)
    assert check.main(["--data", str(tmp_path / "other"), "--report", str(page)]) == 0
    assert "labelme data set" in page.read_text().lower()
    assert check.main([str(root), "--report", str(tmp_path)]) == 1
    assert f"the report {tmp_path} must be a file" in capsys.readouterr().err


def test_main_judges_objects_in_a_report_by_a_config(root, tmp_path):
    config = tmp_path / "train.json"
    config.write_text(json.dumps({"input_size": {"min_dim": 64, "max_dim": 64}}))
    assert check.main([str(root), "--config", str(config), "--report", str(tmp_path / "a.html")]) == 0
    assert "of the config: min_dim 64, max_dim 64" in (tmp_path / "a.html").read_text()


def test_main_with_a_report_decodes_each_image_once(tmp_path, capsys, monkeypatch):
    """All but those that the report shows: of each class at most 12 objects. The text is that without a report."""
    root = tiny.write_project(tmp_path / "p", train=30, val=10)
    page, paths = tmp_path / "a.html", {path.read_bytes(): path.name for path in (root / "ds" / "img").iterdir()}
    calls = []

    def imdecode(data, flags, *, real=cv2.imdecode):
        calls.extend([paths[data.tobytes()]] if data.tobytes() in paths else [])
        return real(data, flags)

    assert len(paths) == 40
    monkeypatch.setattr(cv2, "imdecode", imdecode)
    assert check.main([str(root)]) == 0
    plain = capsys.readouterr().out
    assert sorted(calls) == sorted(paths.values())
    calls.clear()
    assert check.main([str(root), "--report", str(page)]) == 0
    assert capsys.readouterr().out == plain
    shown = len(calls) - 40
    assert 12 <= shown <= 24
    assert len(set(calls)) == 40


def test_main_shows_the_check_where_the_report_cannot_read_the_data(root, tmp_path, capsys):
    (root / "ds" / "img" / "stray.png").write_bytes((root / "ds" / "img" / "0.png").read_bytes())
    alone = check.main([str(root)]), capsys.readouterr().out
    code = check.main([str(root), "--report", str(tmp_path / "a.html")])
    out, err = capsys.readouterr()
    assert (code, out) == (1, alone[1])
    assert "stray.png" in out + err
