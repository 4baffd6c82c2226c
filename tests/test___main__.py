"""The command `mrcnn`: which module it calls with which arguments."""

import argparse
import importlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import mrcnn
from mrcnn import __main__ as command
from mrcnn.data.formats.table import READERS

ROOT = Path(__file__).resolve().parents[1]
EVERY = [*command.COMMANDS, *(f"convert {name}" for name in command.CONVERTERS)]


@pytest.fixture
def calls(monkeypatch):
    found = []

    def find(name):
        return SimpleNamespace(main=lambda arguments, *, prog: found.append((name, arguments, prog)) or 3)

    monkeypatch.setattr(command.importlib, "import_module", find)
    return found


def test_main_calls_the_module_of_a_command(calls):
    assert command.main(["train", "--config", "c.json"]) == 3
    assert calls == [("mrcnn.commands.train", ["--config", "c.json"], "mrcnn train")]


def test_main_calls_a_converter(calls):
    assert command.main(["convert", "coco", "--out", "p"]) == 3
    assert calls == [("mrcnn.convert.coco", ["--out", "p"], "mrcnn convert coco")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "mrcnn: there is no command 'trian'; did you mean train?"),
        (["sell"], "mrcnn: there is no command 'sell'; see mrcnn --help"),
        (["convert", "coko"], "mrcnn convert: there is no command 'coko'; did you mean coco?"),
    ],
)
def test_main_names_the_nearest_command(calls, capsys, arguments, message):
    assert command.main(arguments) == 2
    assert capsys.readouterr().err.strip() == message
    assert calls == []


def test_main_lists_the_commands(capsys):
    assert command.main(["--help"]) == 0
    told = capsys.readouterr().out
    assert [name for name in (*command.COMMANDS, "convert") if f"\n  {name} " not in told] == []
    assert command.main([]) == 2
    assert command.main(["convert", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "nuclei the Data Science Bowl 2018 nuclei points a project with boxes and labelled points" in told
    assert "in place of masks labelme labelme's JSON files" in told


def test_every_label_format_has_a_converter():
    given = {name: row.given for name, row in command.CONVERTERS.items() if row.module == "mrcnn.convert.formats"}
    assert given == {**{name: ("--kind", name) for name in READERS}, command.ANY_FORMAT: ()}


def test_main_prints_the_versions_without_importing_tensorflow():
    code = (
        "import sys\nfrom mrcnn.__main__ import main\nprint(main(['--version']))\n"
        "print({'tensorflow', 'keras'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    keras, tensorflow = map(importlib.metadata.version, ("keras", "tensorflow"))
    wanted = [f"mrcnn {mrcnn.__version__}", f"keras {keras}", f"tensorflow {tensorflow}", "0", "set()"]
    assert done.stdout.splitlines() == wanted


def test_main_prints_the_version_where_tensorflow_is_missing(monkeypatch, capsys):
    def fail(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", fail)
    assert command.main(["--version"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["keras is not installed", "tensorflow is not installed"]


@pytest.mark.parametrize("name", EVERY)
def test_every_command_has_help(name, capsys):
    *group, last = name.split()
    row = (command.CONVERTERS if group else command.COMMANDS)[last]
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(row.module).main(["--help"], prog=f"mrcnn {name}")
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: mrcnn {name} ")


@pytest.mark.parametrize("name", EVERY)
def test_every_option_of_main_has_help(name, monkeypatch):
    parsers = []
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", lambda parser, *given: parsers.append(parser) or exit())
    *group, last = name.split()
    with pytest.raises(SystemExit):
        importlib.import_module((command.CONVERTERS if group else command.COMMANDS)[last].module).main([])
    (parser,) = parsers
    actions = parser._actions
    assert len(actions) > 1
    assert [action.dest for action in actions if action.help in (None, "", argparse.SUPPRESS)] == []


def test_help_does_not_import_tensorflow():
    code = (
        "import sys\nfrom mrcnn.__main__ import main\n"
        f"for name in {EVERY!r}:\n"
        "    try: main([*name.split(), '--help'])\n"
        "    except SystemExit: print(name, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert [line for line in done.stdout.splitlines() if line.endswith(" True")] == []
    assert done.stdout.count(" False\n") == len(EVERY)
