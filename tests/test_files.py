import os
import tracemalloc

import pytest

from mrcnn import files
from mrcnn.errors import UserError


def test_read_bytes_of_a_file_and_of_a_link_to_it(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("a")
    assert files.read_bytes(tmp_path / "a") == files.read_bytes(tmp_path / "link", most=3) == b"abc"


def test_read_bytes_of_an_empty_file(tmp_path):
    (tmp_path / "a").touch()
    assert files.read_bytes(tmp_path / "a", most=0) == b""


def test_read_bytes_takes_memory_for_the_file_alone(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    tracemalloc.start()
    try:
        assert files.read_bytes(tmp_path / "a", most=2**26) == b"abc"
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_read_bytes_refuses_what_is_too_long(tmp_path):
    (tmp_path / "a").write_bytes(b"abcd")
    with pytest.raises(UserError, match=r"the image .*a must have at most 3 bytes, it has 4"):
        files.read_bytes(tmp_path / "a", what="image", most=3)


def test_is_regular_and_read_bytes_refuses_pipes_devices_and_folders(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero", "."):
        with pytest.raises(UserError, match=r"cannot read the config .*(no regular file|directory)"):
            files.read_bytes(tmp_path / name, what="config")
        assert not files.is_regular(tmp_path / name)


@pytest.mark.parametrize("name", ["missing", "a\0b", "n" * 300])
def test_read_bytes_names_what_cannot_be_opened(tmp_path, name):
    with pytest.raises(UserError, match="cannot read the file"):
        files.read_bytes(tmp_path / name)
    assert not files.is_regular(tmp_path / name)


def test_replaced_writes_the_file_and_leaves_nothing_beside_it(tmp_path):
    (tmp_path / "a").write_text("old")
    with files.replaced(tmp_path / "a") as partial:
        partial.write_text("new")
        assert (tmp_path / "a").read_text() == "old"
    assert (tmp_path / "a").read_text() == "new"
    assert os.listdir(tmp_path) == ["a"]


def test_replaced_names_the_temporary_file_as_asked(tmp_path):
    with files.replaced(tmp_path / "a.mp4", suffix=".mp4") as partial:
        assert partial.name.endswith(".partial.mp4")
        partial.write_bytes(b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    partial.touch()  # as a killed process leaves it
    files.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_replaced_keeps_the_former_file_after_an_exception(tmp_path):
    (tmp_path / "a").write_text("old")

    def write():
        with files.replaced(tmp_path / "a") as partial:
            partial.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_replaced_takes_the_longest_name_there_is(tmp_path):
    with files.replaced(tmp_path / ("n" * 255)) as partial:
        partial.write_text("new")
    assert (tmp_path / ("n" * 255)).read_text() == "new"


def test_publish_folder_renames_it_when_all_of_it_is_on_the_disk(tmp_path, monkeypatch):
    (tmp_path / "half" / "a").mkdir(parents=True)
    (tmp_path / "out").mkdir()  # an empty folder is replaced
    seen = []
    monkeypatch.setattr(files, "flush", lambda path: seen.append((str(path), sorted(os.listdir(tmp_path)))))
    files.publish_folder(tmp_path / "half", tmp_path / "out")
    assert [str(tmp_path / name) for name in ("half", "half/a")] == sorted(path for path, _ in seen[:-1])
    assert all(names == ["half", "out"] for _, names in seen[:-1])
    assert seen[-1] == (str(tmp_path), ["out"])
    assert (tmp_path / "out" / "a").is_dir()


def test_publish_folder_keeps_a_folder_with_files(tmp_path):
    for name in ("half", "out"):
        (tmp_path / name / name).mkdir(parents=True)
    with pytest.raises(OSError, match="not empty"):
        files.publish_folder(tmp_path / "half", tmp_path / "out")
    assert [(tmp_path / name / name).is_dir() for name in ("half", "out")] == [True, True]


def test_link_or_copy_links_the_file_itself_or_copies_it(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "link").symlink_to("a")
    files.link_or_copy(tmp_path / "link", tmp_path / "b")
    assert (tmp_path / "b").samefile(tmp_path / "a")
    assert not (tmp_path / "b").is_symlink()

    def refuse(*given):
        raise OSError("cross-device link")

    monkeypatch.setattr(files.os, "link", refuse)
    files.link_or_copy(tmp_path / "link", tmp_path / "c")
    assert not (tmp_path / "c").samefile(tmp_path / "a")
    assert (tmp_path / "c").read_bytes() == b"content"
    with pytest.raises(UserError, match=r"cannot copy .*none to .*d: No such file"):
        files.link_or_copy(tmp_path / "none", tmp_path / "d")


def test_replace_link_is_never_without_a_link(tmp_path, monkeypatch):
    seen, replace = [], os.replace

    def watched(source, target):
        seen.append((os.readlink(source), os.readlink(target)))
        replace(source, target)

    files.replace_link(tmp_path / "last", "first")
    monkeypatch.setattr(os, "replace", watched)
    files.replace_link(tmp_path / "last", "second")
    assert seen == [("second", "first")]
    assert os.readlink(tmp_path / "last") == "second"
    assert os.listdir(tmp_path) == ["last"]


def test_replace_link_leaves_nothing_beside_a_folder_in_its_place(tmp_path):
    (tmp_path / "last").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.replace_link(tmp_path / "last", "first")
    assert os.listdir(tmp_path) == ["last"]
    assert (tmp_path / "last").is_dir()


def test_flush_tree_flushes_every_file_and_folder_once(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").touch()
    (tmp_path / "other").touch()
    seen = []
    monkeypatch.setattr(files, "flush", seen.append)
    files.flush_tree(tmp_path / "a")
    assert sorted(seen) == [str(tmp_path / name) for name in ("a", "a/b", "a/b/c")]


def test_flush_tree_raises_what_a_file_raises(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        files.flush_tree(tmp_path)


def test_clear_removes_what_a_killed_process_left(tmp_path):
    with files.replaced(tmp_path / "a") as partial:
        partial.write_text("new")
        (tmp_path / ".mine.partial").touch()
        (tmp_path / f"{files.PROBE}x").mkdir()
        (tmp_path / partial.name.replace(".partial", ".other")).touch()
        kept = sorted({*os.listdir(tmp_path)} - {partial.name, f"{files.PROBE}x"})
        files.clear(tmp_path)
        assert sorted(os.listdir(tmp_path)) == kept
        partial.touch()


def test_remove_removes_files_links_and_folders(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").touch()
    (tmp_path / "link").symlink_to("folder")
    files.remove(tmp_path / "link")
    assert (tmp_path / "folder" / "a").exists()
    files.remove(tmp_path / "folder")
    files.remove(tmp_path / "folder")
    assert os.listdir(tmp_path) == []


def test_writing_says_what_could_not_be_written_and_why(tmp_path):
    with pytest.raises(UserError, match=r"^cannot write the list /x/a: No space left on device$"):
        with files.writing("the list", "/x/a"):
            raise OSError(28, "No space left on device")
    with pytest.raises(UserError, match=r"^cannot write the list a: it broke$"):
        with files.writing("the list", "a", also=(ArithmeticError,)):
            raise ArithmeticError("it broke")


@pytest.mark.parametrize("error", [UserError("as it is"), ZeroDivisionError()])
def test_writing_lets_other_errors_through(error):
    with pytest.raises(type(error)) as caught, files.writing("the list", "a"):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("name", [".", "new", "new/deep"])
def test_check_writable_leaves_nothing(tmp_path, name):
    files.check_writable(tmp_path / name, links=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("file/out", "Not a directory"),
        ("file", "Not a directory"),
        ("dangling", "No such file or directory"),
        ("new/" + "n" * 300, "File name too long"),
    ],
)
def test_check_writable_refuses(tmp_path, name, why):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(UserError, match=f"cannot write to the output .*: {why}; name another place"):
        files.check_writable(tmp_path / name)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder in which even root cannot write")
def test_check_writable_refuses_a_place_without_permission():
    with pytest.raises(UserError, match=r"cannot write to the output /proc/self/out: "):
        files.check_writable("/proc/self/out")


def test_check_free_output_needs_room_for_endings_in_its_name(tmp_path):
    files.check_free(tmp_path / ("n" * 239))  # 255 - len(".interrupted.old")
    for name in ("n" * 240, "é" * 120):  # 240 bytes each
        with pytest.raises(UserError, match="has 240 bytes; give it at most 239"):
            files.check_free(tmp_path / name)
