"""The pages of docs/data: one for each kind of data, whose commands work on the folders that they show."""

import ast
import importlib
import json
import re
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from mrcnn import __main__ as command
from mrcnn.commands import infer, train
from mrcnn.data.formats.table import READERS
from mrcnn.data.sources import table
from mrcnn.project.reader import Project
from tests import page_data
from tests.data.formats import making, test_label_studio, test_labelbox, test_labelme, test_yolo

ROOT = Path(__file__).resolve().parents[1]
INDEX = ROOT / "docs" / "data.md"
PAGES = {path.stem: path.read_text() for path in sorted((ROOT / "docs" / "data").glob("*.md"))}
HEADINGS = ["Commands", "What is read", "Usual stumbles"]
KINDS = [*READERS, "coco", "masks"]
PAGE_OF = {"masks": "png_masks"}  # kinds whose page has another name
FORMAT_OF = {"roboflow": "coco_folder"}  # pages whose format has another name
WRITTEN = {"coco_panoptic": 1}  # images of the project that a page's conversion makes; else 2
PATHS = ("data", "images", "val_data", "val_images")
NEW = "new/"  # in commands: photographs that are not in the tree


def _commands(text):
    """Lists the commands of a page in order, each as a list of arguments; those in a sentence come last."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    blocks = "\n".join(block for language, block in fences if not language).replace("\\\n", " ")
    prose = re.sub(r"```.*?```|``.*?``", "", text, flags=re.DOTALL)  # messages that name a command are in two backticks
    inside = re.findall(r"`(python [^`]+)`", prose)
    return [shlex.split(line) for line in [*blocks.splitlines(), *inside] if line]


def _parse(given, monkeypatch):
    """Parses a command by the parser of its module, as the program finds it; the module's `main` does not run."""
    if given[1] in ("train.py", "inference.py"):
        return (train if given[1] == "train.py" else infer).make_parser().parse_args(given[2:])
    assert given[:3] == ["python", "-m", "mrcnn"], given
    parsed = []

    def parser_of(name):
        parser = importlib.import_module(name).make_parser
        return SimpleNamespace(main=lambda rest, prog: parsed.append(parser(prog).parse_args(rest)))

    monkeypatch.setattr(command, "importlib", SimpleNamespace(import_module=parser_of))
    assert command.main(given[3:]) == 0, given
    monkeypatch.undo()
    return parsed[0]


def _files(text):
    return page_data.files_of(re.search(r"^```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1])


def _table():
    """Lists the rows of the index, (cells, names of the linked pages)."""
    lines = INDEX.read_text().split("| I have |")[1].split("\n\n")[0].splitlines()[2:]
    return [(line.split(" | "), re.findall(r"\(data/(\w+)\.md\)", line)) for line in lines]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_page_that_the_index_links(kind):
    page = PAGE_OF.get(kind, kind)
    assert page in PAGES
    links = [linked for cells, linked in _table() if f"`{kind}`" in cells[-1]]
    assert [page] in links


def test_the_index_links_each_page_once():
    assert sorted(page for _, linked in _table() for page in linked) == sorted(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_pages_have_the_same_form(page):
    lines = PAGES[page].splitlines()
    assert lines[0].startswith("# I have ")
    assert [line[3:] for line in lines if line.startswith("## ")] == HEADINGS
    assert 20 <= len(lines) <= 50
    assert max(map(len, lines)) <= 130
    steps = [given[3] if given[1] == "-m" else given[1] for given in _commands(PAGES[page])]
    in_order = [step for step in steps if step != "tag"][:5]
    assert in_order == ["check", "train.py", "evaluate", "inference.py", "convert"]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_parses_and_names_the_files_of_the_tree(page, monkeypatch):
    there = {str(path) for file in _files(PAGES[page]) for path in (file, *file.parents)}
    for given in _commands(PAGES[page]):
        options = vars(_parse(given, monkeypatch))
        if given[1] == "train.py":
            assert (ROOT / options["config"]).is_file()
        if "--boxes-as-masks`" in PAGES[page] and given[1] != "inference.py":
            assert _parse([*given, "--boxes-as-masks"], monkeypatch).boxes_as_masks
        named = {str(options[key]) for key in PATHS if options.get(key) and options[key] != [NEW]}
        if page != "roboflow" or "test" not in " ".join(given):  # the export's test images are not shown
            assert named <= there, given


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page_use_the_same_data(page, monkeypatch):
    first = {}
    for given in _commands(PAGES[page]):
        first.setdefault(given[3] if given[1] == "-m" else given[1], given)
    parsed = {name: _parse(given, monkeypatch) for name, given in first.items()}
    if page == "supervisely":
        assert parsed["check"].directory == parsed["train.py"].project == parsed["evaluate"].project
        return
    check, training, evaluate = (vars(parsed[name]) for name in ("check", "train.py", "evaluate"))
    assert [check[key] for key in PATHS] == [training[key] for key in PATHS]
    val = ("val_data", "val_images") if training["val_data"] else ("data", "images")
    assert [evaluate["data"], evaluate["images"]] == [training[key] for key in val]
    assert evaluate["val"] == (training["val_data"] is None)  # a file of its own, or the part that validated


@pytest.mark.parametrize("page", PAGES)
def test_check_and_convert_work_on_the_shown_folder(page, monkeypatch, tmp_path, capsys):
    page_data.make(page, _files(PAGES[page]), tmp_path)
    monkeypatch.chdir(tmp_path)
    outputs = []
    for given in _commands(PAGES[page]):
        if given[1] == "-m" and given[3] in ("tag", "check", "convert"):
            assert command.main(given[3:]) == 0, given
            outputs += [given[given.index("--out") + 1]] if "--out" in given else []
            data = Path(given[given.index("--data") + 1]) if "--data" in given else None
            if data:
                assert table.find(data) is table.FORMATS[FORMAT_OF.get(page, page)]
    printed = capsys.readouterr()
    assert "0 errors" in printed.out
    assert not re.search(r"\b[1-9]\d* \w+ left out", printed.out + printed.err)
    assert Path("labels.html").stat().st_size > 10_000
    for output in outputs:
        if page == "supervisely":
            assert sorted(path.name for path in Path(output, "annotations").iterdir()) == [
                "instances_train.json", "instances_val.json",
            ]  # fmt: skip
            continue
        project = Project.open(Path(output))
        assert len(project.items) == WRITTEN.get(page, 2)
        assert all(item.read_annotation(project.meta).labels for item in project.items)


def _constants():
    """Lists the texts in the code, the fixed parts of formatted ones too."""
    texts = []
    for path in (ROOT / "mrcnn").rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text()))
        texts += [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return texts


def test_the_quoted_messages_are_in_the_code():
    texts = "\0".join(_constants())
    for page, text in PAGES.items():
        stumbles = re.split(r"^- ", text.split(f"## {HEADINGS[-1]}\n")[1], flags=re.MULTILINE)[1:]
        assert 2 <= len(stumbles) <= 4, page
        for item in stumbles:
            message = re.match(r"(`+) ?(.*?) ?\1: ", " ".join(item.split()))
            assert message, item
            assert [part for part in message[2].split("…") if part.strip() not in texts] == [], page


BOX = "a box without a mask (--boxes-as-masks takes the whole box)"
NO_FILE = "image left out, file not found"
ADDRESS = test_labelbox.item(mask={"url": "https://x.org/m.png"})
JSON_MIN = [{"id": 1, "image": "/data/upload/1/e3b0c442-a.jpg", "label": []}]
NOT_SUBMITTED = {"id": 3, "annotations": [], "data": {"image": "/x/e3b0c442-b.jpg"}}
RECTANGLE = test_labelme.content(test_labelme.shape(kind="rectangle", points=[[1, 2], [9, 9]]), path="a.jpg")
TRACK = "<annotations><track/></annotations>"
STUMBLES = [  # page, file to write (None: to remove), its content, message of `mrcnn check`
    ("labelme", "photos/a.json", RECTANGLE, BOX),
    ("labelme", "photos/a.jpg", None, NO_FILE),
    ("labelme", "photos/other.json", {"images": []}, "JSON file passed over, not of labelme"),
    ("yolo", "yolo/train/labels/a.txt", test_yolo.BOX, BOX),
    ("yolo", "yolo/train/labels/a.txt", "1 10 5 20 5 20 15", "its numbers are no fractions of the image"),
    ("yolo", "yolo/data.yaml", "train: train/images",
     "is in none of the known formats of annotated images; give one of:"),
    ("yolo", "yolo/valid", None, "split left out, its folder is not there"),
    ("cvat", "cvat/images/a.jpg", None, NO_FILE),
    ("cvat", "cvat/annotations.xml", TRACK, "holds tracks of a video; export it from CVAT as CVAT for images 1.1"),
    ("label_studio", "export.json", JSON_MIN, "is no COCO instance file: it must be a JSON object, got"),
    ("label_studio", "export.json", [test_label_studio.task(test_label_studio.region(), image="a.jpg"), NOT_SUBMITTED],
     "its task has no annotation"),
    ("labelbox", "export.ndjson", json.dumps(test_labelbox.row(test_labelbox.item(), ADDRESS, name="a.jpg")),
     "its mask is a web address; annotate polygons, or download the masks and use `convert masks`"),
    ("voc", "VOC2012/labelmap.txt", "background:0,0,0::\n", "its value has no class"),
    ("voc", "VOC2012/SegmentationObject", None, BOX),
    ("png_masks", "cells/masks/a.png", None, "it has no mask"),
    ("cityscapes", "cityscapes/leftImg8bit/train", None, NO_FILE),
    ("coco_panoptic", "panoptic_train2017", None,
     "its masks lie in PNG files; convert it to instances first (panopticapi does)"),
    ("coco_panoptic", "panoptic_train2017/a.png", "no picture", "its PNG file cannot be used"),
    ("coco", "train/a.jpg", None, NO_FILE),
]  # fmt: skip


@pytest.mark.parametrize(("page", "file", "content", "message"), STUMBLES)
def test_a_stumble_has_the_message_of_its_page(page, file, content, message, monkeypatch, tmp_path, capsys):
    page_data.make(page, _files(PAGES[page]), tmp_path)
    path = tmp_path / file
    if content is not None:
        making.write(path, content)
    else:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    monkeypatch.chdir(tmp_path)
    command.main([word for word in _commands(PAGES[page])[0][3:] if word not in ("--report", "labels.html")])
    printed = capsys.readouterr()
    assert message in " ".join((printed.out + printed.err).split())
    assert message in " ".join(PAGES[page].split())


def test_files_of_a_tree():
    tree = "top/\n  a.txt, b.txt, …\n  deep/er/   c.txt, …\nalone.json\n"
    assert [str(path) for path in page_data.files_of(tree)] == [
        "top/a.txt", "top/b.txt", "top/deep/er/c.txt", "alone.json",
    ]  # fmt: skip
