"""`mrcnn merge`: what it writes and refuses."""

import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")

from mrcnn.commands import merge
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from tests.scale import toy
from tests.scale.test_merge import finished


def run(*arguments):
    merge.merge(merge.make_parser().parse_args(list(map(str, arguments))), JsonLog())


def test_merge_writes_both(tmp_path):
    finished(toy.write_images(tmp_path / "photos", 3), tmp_path / "out")
    run(tmp_path / "out", "--coco", tmp_path / "x.json", "--project", tmp_path / "project")
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"photos", "out", "x.json", "x_results.json", "project"}
    assert (tmp_path / "project" / "meta.json").is_file()


def test_merge_needs_something_to_write(tmp_path):
    with pytest.raises(UserError, match="name what to write: --coco FILE, --project DIR or both"):
        run(tmp_path)


def test_merge_of_a_folder_without_a_job(tmp_path):
    with pytest.raises(UserError, match=rf"there is no job in {tmp_path}: it has no job\.json"):
        run(tmp_path, "--coco", tmp_path / "x.json")
    with pytest.raises(UserError, match=r"the COCO file .* must be a file, it is a folder"):
        run(tmp_path, "--coco", tmp_path)


def test_main_reports_in_one_line(tmp_path, capsys):
    assert merge.main([str(tmp_path), "--log-format", "rich"]) == 1
    assert capsys.readouterr().err == "error: name what to write: --coco FILE, --project DIR or both\n"
