"""An output project: finished, unfinished, and continued."""

import json
import os
import re
import shutil

import pytest

from mrcnn import files
from mrcnn.annotate.output import Output, check, count, is_finished, key
from mrcnn.errors import UserError
from mrcnn.predict import sources
from mrcnn.project.annotation import Annotation, Label
from mrcnn.project.geometry import Rectangle
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.project.reader import Project
from tests.predict import helpers

META = ProjectMeta((ClassMeta("cat", "rectangle"),))
FOUND = Annotation((4, 5), labels=(Label("cat", Rectangle([[0, 0], [2, 3]])),))
IDENTITY = {"config": {"mode": {"name": "roi", "flip": False}}, "model": {"names": ("bg", "cat")}}


@pytest.fixture
def source(tmp_path):
    images = {f"ds/{name}.png": (4, 5, 100 + index, [], []) for index, name in enumerate("abcd")}
    return sources.open_project(helpers.write_project(tmp_path / "in", images))


def start(source, directory, *, resume=False, identity=IDENTITY, meta=META):
    return Output(directory, meta, source.entries, identity=identity, resume=resume)


def write(source, directory, indices, *, error=None, **kwargs):
    """Writes some images; dies then if told to."""
    with start(source, directory, **kwargs) as out:
        for index in indices:
            out.add(source.entries[index], FOUND, {"number": index})
        if error is not None:
            raise error
    return out


def interrupt(source, directory, indices=(0, 1), **kwargs):
    with pytest.raises(KeyboardInterrupt):
        write(source, directory, indices, error=KeyboardInterrupt(), **kwargs)


def tree(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_a_finished_project_stands_alone(source, tmp_path):
    with start(source, tmp_path / "out" / "p") as out:
        for entry in source.entries:
            out.add(entry, FOUND, {})
            assert names(tmp_path / "out") == [".p.lock", "p.journal", "p.partial"]
    assert names(tmp_path / "out") == ["p"]
    assert len(Project.open(tmp_path / "out").items) == 4


def test_an_unfinished_project_is_not_taken_for_one(source, tmp_path):
    interrupt(source, tmp_path / "out" / "p")
    assert names(tmp_path / "out") == ["p.journal", "p.partial"]
    with pytest.raises(UserError, match="no project in"):
        Project.open(tmp_path / "out")


def test_a_continued_project_equals_one_written_at_once(source, tmp_path):
    write(source, tmp_path / "once", range(4))
    interrupt(source, tmp_path / "p")
    with start(source, tmp_path / "p", resume=True) as out:
        assert out.done == {"ds/a.png": {"number": 0}, "ds/b.png": {"number": 1}}
        for index in (2, 3):
            out.add(source.entries[index], FOUND, {"number": index})
        assert list(out.done.values()) == [{"number": index} for index in range(4)]
    assert tree(tmp_path / "p") == tree(tmp_path / "once")
    assert names(tmp_path) == ["in", "once", "p"]


def test_interrupted_again_and_again(source, tmp_path):
    interrupt(source, tmp_path / "p", [0])
    for index in (1, 2):
        interrupt(source, tmp_path / "p", [index], resume=True)
    assert list(write(source, tmp_path / "p", [], resume=True).done) == ["ds/a.png", "ds/b.png", "ds/c.png"]


def test_an_end_without_farewell(source, tmp_path):
    interrupt(source, tmp_path / "p")
    with (tmp_path / "p.journal").open("a") as journal:
        journal.write('["ds/c.png", {"num')  # the process died while writing
    (tmp_path / "p.partial" / "ds" / "ann" / "b.png.json").write_text('{"size"')
    out = start(source, tmp_path / "p", resume=True)
    assert list(out.done) == ["ds/a.png"]


def test_an_end_by_a_loss_of_power(source, tmp_path):
    interrupt(source, tmp_path / "p", (0, 1, 2))
    with (tmp_path / "p.journal").open("ab") as journal:
        journal.write(b'["ds/d.png", \xff\x00\x00')  # blocks that were given to the file but never written
    (tmp_path / "p.partial" / "ds" / "ann" / "b.png.json").write_bytes(b"")
    image = tmp_path / "p.partial" / "ds" / "img" / "c.png"
    content = image.read_bytes()
    image.unlink()
    image.write_bytes(content[:20])
    assert list(start(source, tmp_path / "p", resume=True).done) == ["ds/a.png"]


def test_what_an_interrupted_run_wrote_goes_when_its_copy_is_on_the_disk(source, tmp_path, monkeypatch):
    interrupt(source, tmp_path / "p")
    flushed, flush = [], files.flush

    def record(path):
        assert len(list(tmp_path.glob("p.interrupted/ds/ann/*"))) == 2  # what it wrote is still there
        flushed.append(os.path.relpath(path, tmp_path))
        flush(path)

    monkeypatch.setattr(files, "flush", record)
    start(source, tmp_path / "p", resume=True)
    assert {"p.partial/ds/ann/a.png.json", "p.partial/ds/ann/b.png.json"} <= set(flushed)
    assert re.fullmatch(r"\.[0-9a-f]{32}\.partial", flushed[-2])  # the journal, then the folder that holds it
    assert flushed[-1] == "."


def test_an_end_while_taking_over(source, tmp_path):
    interrupt(source, tmp_path / "p")
    shutil.copytree(tmp_path / "p.partial", tmp_path / "p.interrupted")
    shutil.rmtree(tmp_path / "p.partial" / "ds")
    out = start(source, tmp_path / "p", resume=True)
    assert list(out.done) == ["ds/a.png", "ds/b.png"]
    assert not (tmp_path / "p.interrupted").exists()


def test_an_end_while_what_was_taken_over_is_removed(source, tmp_path, monkeypatch):
    interrupt(source, tmp_path / "p")
    remove = shutil.rmtree

    def remove_half(path, **kwargs):
        if os.path.basename(path).startswith("p.interrupted") and path.exists():
            remove(path / "ds" / "ann")
            raise KeyboardInterrupt
        remove(path, **kwargs)

    monkeypatch.setattr(shutil, "rmtree", remove_half)
    with pytest.raises(KeyboardInterrupt):
        start(source, tmp_path / "p", resume=True)
    monkeypatch.undo()
    assert list(start(source, tmp_path / "p", resume=True).done) == ["ds/a.png", "ds/b.png"]
    assert names(tmp_path) == ["in", "p.journal", "p.partial"]


def test_an_image_that_was_replaced_is_done_again(source, tmp_path):
    interrupt(source, tmp_path / "p")
    source.entries[0].path.unlink()
    helpers.write_image(source.entries[0].path, 4, 5, 7)
    assert list(start(source, tmp_path / "p", resume=True).done) == ["ds/b.png"]


def test_an_image_that_was_annotated_anew_is_done_again(source, tmp_path):
    interrupt(source, tmp_path / "p")
    with source.entries[1].item.ann_path.open("a") as annotation:
        annotation.write(" ")
    assert list(start(source, tmp_path / "p", resume=True).done) == ["ds/a.png"]


def test_an_image_that_is_no_longer_there_is_not_kept(source, tmp_path):
    interrupt(source, tmp_path / "p")
    out = Output(tmp_path / "p", META, source.entries[1:], identity=IDENTITY, resume=True)
    assert list(out.done) == ["ds/b.png"]
    assert not (tmp_path / "p.partial" / "ds" / "img" / "a.png").exists()


def test_another_run_is_not_continued(source, tmp_path):
    interrupt(source, tmp_path / "p")
    other = json.loads(json.dumps(IDENTITY))
    other["config"]["mode"]["flip"] = True
    with pytest.raises(
        UserError, match=r"other settings \(`config.mode.flip` was false, is true\); give the same again"
    ):
        start(source, tmp_path / "p", resume=True, identity=other)
    assert list(start(source, tmp_path / "p", resume=True).done) == ["ds/a.png", "ds/b.png"]


def test_what_was_done_is_not_thrown_away_unasked(source, tmp_path):
    interrupt(source, tmp_path / "p")
    message = r"p\.partial holds 2 images of an interrupted run; continue it with --resume, or remove .*p\.journal"
    with pytest.raises(UserError, match=message):
        check(tmp_path / "p", resume=False)
    with pytest.raises(UserError, match=message):
        start(source, tmp_path / "p")
    (tmp_path / "p.journal").unlink()
    assert start(source, tmp_path / "p").done == {}


def test_nothing_is_left_of_a_run_without_an_image(source, tmp_path):
    interrupt(source, tmp_path / "out" / "p", [])
    assert names(tmp_path / "out") == []


def test_nothing_to_resume(source, tmp_path):
    assert start(source, tmp_path / "p", resume=True).done == {}
    helpers.write_image(tmp_path / "full" / "x.png", 4, 4, 0)
    with pytest.raises(UserError, match="full must be new or an empty folder; there is nothing to resume"):
        check(tmp_path / "full", resume=True)
    with pytest.raises(UserError, match="full must be new or an empty folder; name another"):
        check(tmp_path / "full", resume=False)


def test_keys_are_those_of_data_set_and_name(source):
    assert [key(entry) for entry in source.entries] == ["ds/a.png", "ds/b.png", "ds/c.png", "ds/d.png"]


def test_is_finished_after_a_kill_just_before_the_journal_goes(source, tmp_path):
    assert not is_finished(tmp_path / "p")
    interrupt(source, tmp_path / "p", range(4))
    shutil.copy(tmp_path / "p.journal", tmp_path / "journal")
    assert not is_finished(tmp_path / "p")
    write(source, tmp_path / "p", [], resume=True)
    shutil.move(tmp_path / "journal", tmp_path / "p.journal")
    (tmp_path / ".p.lock").touch()  # the killed process held it
    assert is_finished(tmp_path / "p")
    assert names(tmp_path) == ["in", "p"]
    assert count(tmp_path / "p", source.entries) == 4


def test_an_output_that_cannot_be_written_is_found_at_once(source, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write to the output .*file/p: Not a directory; name another place"):
        check(tmp_path / "file" / "p", resume=False)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a file that is always full")
def test_a_full_disk_under_the_journal_is_one_line_with_its_path(source, tmp_path):
    out = start(source, tmp_path / "p")
    (tmp_path / "p.journal").unlink()
    (tmp_path / "p.journal").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"^cannot write the journal .*p\.journal: No space left on device$"):
        out.add(source.entries[0], FOUND, {})


def test_images_that_cannot_be_read_now_do_not_cost_what_was_found_in_them(source, tmp_path):
    interrupt(source, tmp_path / "p")
    folder = source.entries[0].path.parent
    folder.rename(folder.with_name("away"))
    with pytest.raises(UserError, match=r"the interrupted run used .*a\.png, which cannot be read now"):
        start(source, tmp_path / "p", resume=True)
    folder.with_name("away").rename(folder)
    with start(source, tmp_path / "p", resume=True) as out:
        assert list(out.done) == ["ds/a.png", "ds/b.png"]
        for index in (2, 3):
            out.add(source.entries[index], FOUND, {})


@pytest.mark.parametrize("resume", [True, False])
def test_a_broken_journal_does_not_cost_the_images_of_an_interrupted_run(source, tmp_path, resume):
    interrupt(source, tmp_path / "p")
    (tmp_path / "p.journal").write_bytes(bytes(40))
    with pytest.raises(UserError, match=r"p\.partial holds images of an interrupted run, but its journal .* is broken"):
        start(source, tmp_path / "p", resume=resume)
    assert len(list((tmp_path / "p.partial").rglob("img/*"))) == 2
    (tmp_path / "p.journal").unlink()
    write(source, tmp_path / "p", range(4))
