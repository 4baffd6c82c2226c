"""A folder that is written completely or not at all."""

import pytest

from mrcnn.convert.writers.folder import new_folder
from mrcnn.errors import UserError


def left(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_new_folder_appears_at_the_end(tmp_path):
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "old").touch()
    with new_folder(tmp_path / "out", warn=pytest.fail) as partial:
        (partial / "a").touch()
        assert not (tmp_path / "out").exists()
    assert left(tmp_path) == ["out", "out/a"]


def test_new_folder_leaves_nothing_after_an_exception(tmp_path):
    with (
        pytest.raises(ZeroDivisionError),
        new_folder(tmp_path / "out", warn=pytest.fail) as partial,
    ):
        (partial / "a").write_bytes(bytes(1 // 0))
    assert left(tmp_path) == []


def test_new_folder_says_what_cannot_be_written(tmp_path):
    with (
        pytest.raises(UserError, match=r"cannot write the data .*out: No such file"),
        new_folder(tmp_path / "out", warn=pytest.fail) as partial,
    ):
        (partial / "none" / "a").touch()


def test_new_folder_refuses_a_folder_with_files(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(UserError, match="must be new or an empty folder"), new_folder(tmp_path, warn=pytest.fail):
        pass
    assert left(tmp_path) == ["a"]
