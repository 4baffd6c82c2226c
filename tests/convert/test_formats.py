"""Label formats as projects: the same objects as on direct use, tags of splits, and what is said at the end."""

import io

import pytest

from mrcnn import __main__ as command
from mrcnn import events
from mrcnn.convert import formats
from mrcnn.convert.formats import Plan
from mrcnn.convert.split import Split
from mrcnn.data.formats.record import Job, Report
from mrcnn.data.sources import table
from mrcnn.data.sources.source import DataPaths
from mrcnn.errors import UserError
from mrcnn.project.reader import Project
from tests.data.formats import making, test_labelme, test_yolo
from tests.data.sources.test_formats import labelme


def convert(path, out, **plan):
    log = events.JsonLog(io.StringIO())
    return formats.convert(Job(path), out, log=log, plan=Plan(**plan)), Project.open(out)


def tags_of(project):
    found = {item.name: item.read_annotation(project.meta).tags for item in project.items}
    return {name: [tag.name for tag in tags] for name, tags in found.items()}


def test_convert_writes_what_training_on_the_data_would_learn(tmp_path):
    making.image(tmp_path / "in" / "a.png")
    shapes = [
        test_labelme.shape(flags={"old": True}),
        test_labelme.shape("dog", making.TRIANGLE, group_id=3),
        test_labelme.shape("dog", group_id=3),
    ]
    making.write(tmp_path / "in" / "a.json", test_labelme.content(*shapes))
    labelme(tmp_path / "in", 4)
    report, project = convert(tmp_path / "in", tmp_path / "out", kind="labelme")
    source = table.open_source(DataPaths(tmp_path / "in"))
    direct = {item.name: making.objects(item) for item in source.items}
    stored = [(item.name, item.read_annotation(project.meta)) for item in project.items]
    for name, annotation in stored:
        labels = [
            (label.class_title, int(making.drawn(label).sum()), [(tag.name, tag.value) for tag in label.tags])
            for label in annotation.labels
        ]
        assert labels == direct[name]
    assert [label.instance for label in dict(stored)["a.png"].labels] == [None, "group 3", "group 3"]
    assert formats.counts_of(report) == [("cat", 5, 0), ("dog", 2, 0)]


def test_convert_keeps_the_splits_of_the_data_and_guesses_the_format(tmp_path):
    test_yolo.roboflow(tmp_path / "in")
    making.image(tmp_path / "in" / "test" / "images" / "test.png")
    _, project = convert(tmp_path / "in", tmp_path / "out")
    assert tags_of(project) == {"train.png": ["train"], "valid.png": ["val"], "test.png": ["test"]}


def test_convert_draws_each_class_and_not_test_images(tmp_path):
    labelme(tmp_path / "in" / "train", 10)
    labelme(tmp_path / "in" / "test", 2, start=20)
    _, project = convert(tmp_path / "in", tmp_path / "out")
    tags = tags_of(project)
    assert [tags["20.png"], tags["21.png"]] == [["test"], ["test"]]
    assert sorted(tags[f"{index}.png"] for index in range(10)) == [["train"]] * 8 + [["val"]] * 2
    _, other = convert(tmp_path / "in", tmp_path / "half", split=Split(val_fraction=0.5))
    assert sorted(map(str, tags_of(other).values())) == ["['test']"] * 2 + ["['train']"] * 5 + ["['val']"] * 5


def test_convert_with_lists_and_one_tag(tmp_path):
    labelme(tmp_path / "in", 3)
    names = making.write(tmp_path / "val.txt", "1\n")
    _, listed = convert(tmp_path / "in", tmp_path / "out", split=Split(val_list=names))
    assert tags_of(listed) == {"0.png": ["train"], "1.png": ["val"], "2.png": ["train"]}
    _, alike = convert(tmp_path / "in", tmp_path / "alike", split=Split(tag="x"))
    assert set(map(tuple, tags_of(alike).values())) == {("x",)}


def test_convert_refuses(tmp_path):
    making.write(tmp_path / "a.txt", "")
    with pytest.raises(UserError, match=r"a\.txt is not recognized; name it by --kind \(labelme, yolo"):
        convert(tmp_path / "a.txt", tmp_path / "out")
    coco = making.write(tmp_path / "c.json", {"images": [], "annotations": [], "categories": []})
    with pytest.raises(UserError, match=r"for COCO JSON use `convert coco --annotations .*c\.json --images DIR`"):
        convert(coco, tmp_path / "out")
    with pytest.raises(UserError, match="does not exist"):
        convert(tmp_path / "none", tmp_path / "out")
    labelme(tmp_path / "in", 3)
    with pytest.raises(UserError, match="--val-fraction must be above 0 and below 1, got 1"):
        convert(tmp_path / "in", tmp_path / "out", split=Split(val_fraction=1))
    assert not (tmp_path / "out").exists()


def test_summary_and_counts_of_a_report():
    report = Report()
    report.kept.update({"cat": 12})
    report.lose("x", "a object 1", title="big dog")
    report.lose("y", "a object 2")
    assert formats.summary(formats.counts_of(report)) == [
        "class       objects  left out",
        "big dog           0         1",
        "cat              12         0",
        "(no class)        0         1",
    ]
    assert formats.summary([]) == ["class  objects  left out"]


@pytest.mark.parametrize("given", [["labelme"], []])
def test_main_says_what_is_kept(tmp_path, capsys, given):
    labelme(tmp_path / "in", 3)
    box = test_labelme.shape("box", kind="rectangle", points=[[1, 2], [5, 8]])
    making.write(tmp_path / "in" / "0.json", test_labelme.content(test_labelme.shape(), box, path="0.png"))
    code = command.main(["convert", *given, str(tmp_path / "in"), "--out", str(tmp_path / "out")])
    told = " ".join(capsys.readouterr().err.split())
    assert code == 0
    assert "box 0 1" in told
    assert "cat 3 0" in told
    assert "3 objects kept, 1 object and 0 images left out" in told
    assert ("is read as labelme" in told) == (not given)


def test_main_of_what_is_not_there(tmp_path, capsys):
    assert command.main(["convert", "labelme", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 1
    assert "does not exist" in capsys.readouterr().err
