"""The scripts of the Tab key; that of bash is asked in a real bash."""

import argparse
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mrcnn import __main__ as command
from mrcnn import optional
from mrcnn.commands import completion, export
from mrcnn.errors import UserError
from mrcnn.export.formats import table

ROOT = Path(__file__).resolve().parents[2]
ASK = 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_mrcnn; printf "%s\\n" "${COMPREPLY[@]}"'
PARTS = ("bash", "zsh", "fish")

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


@pytest.fixture(scope="module")
def scripts():
    """Writes all scripts in one process, which tells whether it imported TensorFlow."""
    code = (
        "import sys\nfrom mrcnn.commands import completion\n"
        f"for shell in {PARTS}: print(completion.script(shell), end='\\0')\n"
        "print('tensorflow' in sys.modules, 'keras' in sys.modules, end='')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    *found, imported = done.stdout.split("\0")
    assert imported == "False False"
    return dict(zip(PARTS, found, strict=True))


@pytest.fixture
def ask(scripts, tmp_path):
    """A function that completes the last of some words in a folder with two files and a folder."""
    (tmp_path / "complete.bash").write_text(scripts["bash"])
    place = tmp_path / "place"
    (place / "photos").mkdir(parents=True)
    for name in ("phone.json", "notes.txt"):
        (place / name).touch()

    def run(*words):
        text = f"source {shlex.quote(str(tmp_path / 'complete.bash'))}; set -- {shlex.join(words)}; {ASK}"
        bash = ["bash", "--norc", "--noprofile", "-c", text]
        done = subprocess.run(bash, capture_output=True, text=True, cwd=place, check=True)
        return sorted(filter(None, done.stdout.split("\n")))

    return run


@needs_bash
def test_script_completes_commands_and_kinds(ask):
    assert ask("mrcnn", "") == sorted([*command.COMMANDS, "convert"])
    assert ask("mrcnn", "ev") == ["evaluate"]
    kinds = [name for name in command.CONVERTERS if name not in (command.ANY_FORMAT, command.TO_FORMAT)]
    assert ask("mrcnn", "convert", "") == sorted(kinds)
    assert ask("mrcnn", "completion", "") == ["bash", "fish", "zsh"]


@needs_bash
def test_script_completes_options_and_their_values(ask):
    assert ask("mrcnn", "infer", "--im") == ["--images"]
    assert ask("mrcnn", "infer", "--project", "p", "--rec") == ["--recursive"]
    assert ask("mrcnn", "evaluate", "--log-format", "") == ["auto", "json", "rich"]
    assert ask("mrcnn", "convert", "--to", "") == ["coco", "cvat", "labelme", "yolo"]
    assert ask("mrcnn", "convert", "photos", "--o") == ["--out"]
    assert ask("mrcnn", "convert", "coco", "--sp") == ["--split"]
    assert ask("mrcnn", "--ver") == ["--version"]


@needs_bash
def test_script_completes_words_that_are_no_choices_of_argparse(ask):
    assert ask("mrcnn", "export", "--format", "") == sorted(export.FORMATS)
    assert ask("mrcnn", "export", "--format", "tor") == ["torchvision"]
    assert ask("mrcnn", "serve", "--api", "") == ["2019", "2020"]
    assert ask("mrcnn", "serve", "--precision", "mixed_b") == ["mixed_bfloat16"]
    assert ask("mrcnn", "infer", "--batch-size", "") == ["auto"]
    assert ask("mrcnn", "check", "--val-tag", "") == ["val"]


def test_export_formats_are_those_of_the_table():
    assert list(export.FORMATS) == list(table.FORMATS)  # that of `commands/export.py` is for the Tab key and the help


def test_suggest_leaves_choices_and_other_options_alone():
    parser = argparse.ArgumentParser()
    below = parser.add_subparsers().add_parser("one")
    actions = [below.add_argument("--kind", choices=["a"]), below.add_argument("--tag"), below.add_argument("--form")]
    completion.suggest(parser, {"--kind": ("b",), "--form": ("c", "d")})
    assert [action.choices for action in actions] == [["a"], None, ["c", "d"]]


@needs_bash
def test_script_completes_files_and_folders(ask):
    assert ask("mrcnn", "infer", "--images", "notes.txt", "ph") == ["phone.json", "photos"]
    assert ask("mrcnn", "inspect", "no") == ["notes.txt"]
    assert ask("mrcnn", "infer", "--project", "ph") == ["photos"]
    assert ask("mrcnn", "check", "ph") == ["photos"]
    assert ask("mrcnn", "check", "--config", "") == ["notes.txt", "phone.json", "photos"]


@pytest.mark.parametrize("shell", PARTS)
def test_script_has_no_error_of_syntax(scripts, shell, tmp_path):
    for name in (*command.COMMANDS, "convert", "labelme"):
        assert name in scripts[shell]
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    (tmp_path / "script").write_text(scripts[shell])
    subprocess.run([shell, "-n", tmp_path / "script"], check=True)


def test_whole_parser_has_every_command_and_reads_its_options():
    root = completion.whole_parser(command)
    read = root.parse_args(["infer", "--model", "m", "--images", "a", "b"])
    assert (read.model, read.images) == (Path("m"), ["a", "b"])


def test_mark_paths_marks_files_and_folders_alone():
    parser = argparse.ArgumentParser()
    below = parser.add_subparsers().add_parser("one")
    marks = {
        below.add_argument("--data", type=Path, metavar="PATH"): "file",
        below.add_argument("--out", type=Path, metavar="DIR"): "folder",
        below.add_argument("--model", type=Path): "file",
        below.add_argument("--images", metavar="PATH"): "file",
        below.add_argument("--tag", metavar="NAME"): None,
        below.add_argument("--kind", choices={"a": 1}): None,
    }
    completion.mark_paths(parser, file="file", folder="folder")
    assert {action: getattr(action, "complete", None) for action in marks} == marks


def test_main_refuses_another_shell_and_names_a_missing_package(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        completion.main(["tcsh"], prog="mrcnn completion")
    assert "invalid choice: 'tcsh'" in capsys.readouterr().err
    monkeypatch.setattr(optional, "missing", lambda extra: ["shtab"])
    with pytest.raises(UserError, match=r"mrcnn completion needs the package shtab; install it by .*mrcnn\[completion"):
        completion.script("bash")
    assert completion.main(["bash"]) == 1
