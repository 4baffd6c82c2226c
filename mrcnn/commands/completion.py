"""Prints a script that completes the command `mrcnn` on the Tab key: `mrcnn completion bash`.

    mrcnn completion bash > ~/.local/share/bash-completion/completions/mrcnn
    mrcnn completion zsh > ~/.zfunc/_mrcnn             # a folder of $fpath
    mrcnn completion fish > ~/.config/fish/completions/mrcnn.fish

The script is static: completing runs no Python. Print it anew after an update.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from mrcnn import events, optional, startup

SHELLS = ("bash", "zsh", "fish")
FOLDERS = ("DIR", "FOLDER", "PROJECT", "IMAGES_DIR", "MASKS_DIR")  # metavars of folders
FILES = ("PATH", "FILE")  # metavars of files that are read as text


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(
        prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shell", choices=SHELLS, help="of which the script is")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def script(shell: str) -> str:
    """Writes the script of a shell.

    Args:
        shell: one of `SHELLS`.

    Raises:
        UserError: the package that writes it is not installed; the message holds the command that installs it.
    """
    optional.require("completion", purpose="mrcnn completion")
    shtab: Any = startup.load("shtab")
    root = whole_parser(startup.load("mrcnn.__main__"))
    mark_paths(root, file=shtab.FILE, folder=shtab.DIRECTORY)
    suggest(root, words_of_options())
    return str(shtab.complete(root, shell))


def whole_parser(table: ModuleType) -> argparse.ArgumentParser:
    """Makes one parser of all commands, of which a script is written; it reads no `convert PATH`.

    Args:
        table: the module `mrcnn.__main__`, with the commands and converters.
    """
    root = argparse.ArgumentParser(prog=table.NAME)
    root.add_argument("--version", action="store_true", help="print the versions")
    commands = root.add_subparsers(metavar="COMMAND")
    for name, row in table.COMMANDS.items():
        _add(commands, name, row)
    convert = commands.add_parser(table.CONVERT, help=table.CONVERT_SUMMARY)
    kinds = convert.add_subparsers(metavar="KIND")
    for name, row in table.CONVERTERS.items():
        if name not in (table.ANY_FORMAT, table.TO_FORMAT):
            _add(kinds, name, row)
    _add_without_kind(convert, table)
    return root


def mark_paths(parser: argparse.ArgumentParser, *, file: Any, folder: Any) -> None:
    """Marks the arguments of a parser, and of those below it, that are paths.

    Args:
        parser: changed in place: an action of a path receives the attribute `complete`.
        file: the mark of files, which may be folders too.
        folder: the mark of folders.
    """
    for action in parser._actions:  # argparse has no public list of them
        if isinstance(action.choices, dict):
            for below in action.choices.values():
                if isinstance(below, argparse.ArgumentParser):
                    mark_paths(below, file=file, folder=folder)
        elif action.type is Path or action.metavar in FILES:
            action.complete = folder if action.metavar in FOLDERS else file  # type: ignore[attr-defined]


def words_of_options() -> dict[str, tuple[str, ...]]:
    """Lists the words that options accept beside others, or that only a later check knows."""
    served = startup.load("mrcnn.config.serve").ServeConfig.model_fields
    return {
        "--format": startup.load("mrcnn.commands.export").FORMATS,
        "--api": get_args(served["api"].annotation),
        "--precision": get_args(served["precision"].annotation),
        "--device": ("cpu", "0"),
        "--batch-size": ("auto",),
        **{f"--{split}-tag": (split,) for split in ("train", "val", "test")},
    }


def suggest(parser: argparse.ArgumentParser, words: Mapping[str, Sequence[str]]) -> None:
    """Makes words the choices of options that have none; the parser is then good for completion alone.

    Args:
        parser: changed in place, with those below it.
        words: by option.
    """
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for below in action.choices.values():
                if isinstance(below, argparse.ArgumentParser):
                    suggest(below, words)
        elif action.choices is None:
            found = next((words[word] for word in action.option_strings if word in words), None)
            action.choices = found and list(found)


def _add(group: Any, name: str, row: Any) -> None:
    """Adds the parser of a row of `COMMANDS` or `CONVERTERS`."""
    parser = startup.load(row.module).make_parser()
    group.add_parser(name, help=row.summary, parents=[parser], add_help=False)


def _add_without_kind(convert: argparse.ArgumentParser, table: ModuleType) -> None:
    """Adds `--to` and the options of a conversion whose kind is not named: `convert PATH` and `convert --to FORMAT`."""
    writers = startup.load("mrcnn.convert.writers.table").WRITERS
    convert.add_argument(table.TO_FORMAT, choices=list(writers), help=table.CONVERTERS[table.TO_FORMAT].summary)
    options: dict[str, argparse.Action] = {}
    for name in (table.ANY_FORMAT, table.TO_FORMAT):
        for action in startup.load(table.CONVERTERS[name].module).make_parser()._actions:
            options |= {word: action for word in action.option_strings if word not in options}
    for word, action in options.items():
        if action.nargs == 0 and word not in ("-h", "--help"):
            convert.add_argument(word, action="store_true", help=action.help)
        elif action.nargs != 0:
            kept = {name: getattr(action, name) for name in ("nargs", "type", "choices", "metavar", "help")}
            convert.add_argument(word, **kept)


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command; returns the exit code."""
    options = make_parser(prog).parse_args(arguments)
    log = events.make_log("rich")
    return events.run_main(lambda: print(script(options.shell)), log=log, debug=options.debug)
