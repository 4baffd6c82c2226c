"""The command `mrcnn` (or `python -m mrcnn`): runs the `main` of a sub-command's module.

Only the module of the chosen sub-command is imported, so `--help` and `--version` answer at once.
"""

import difflib
import importlib
import importlib.metadata
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import mrcnn


class Command(NamedTuple):
    """A sub-command.

    Attributes:
        module: name of the module with its `main`.
        summary: for the help text.
        given: arguments that precede those of the user.
    """

    module: str
    summary: str
    given: tuple[str, ...] = ()


Commands = Mapping[str, Command]


def _format(kind: str, summary: str) -> Command:
    return Command("mrcnn.convert.formats", summary, ("--kind", kind))


CONVERTERS: Commands = {
    "coco": Command("mrcnn.convert.coco", "COCO instance annotations"),
    "coins": Command("mrcnn.convert.coins", "the demo's photograph of coins"),
    "masks": Command("mrcnn.convert.masks", "images with PNG instance masks"),
    "nuclei": Command("mrcnn.convert.nuclei", "the Data Science Bowl 2018 nuclei"),
    "points": Command("mrcnn.convert.points", "a project with boxes and labelled points in place of masks"),
    "labelme": _format("labelme", "labelme's JSON files"),
    "yolo": _format("yolo", "YOLO segmentation labels"),
    "via": _format("via", "projects of the VGG Image Annotator"),
    "cvat": _format("cvat", "CVAT for images 1.1"),
    "label_studio": _format("label_studio", "Label Studio's JSON"),
    "labelbox": _format("labelbox", "Labelbox's NDJSON"),
    "cityscapes": _format("cityscapes", "Cityscapes' fine annotations"),
    "coco_panoptic": _format("coco_panoptic", "COCO panoptic JSON and PNG files"),
    "voc": _format("voc", "Pascal VOC's XML files and masks"),
    "png_masks": _format("png_masks", "images with instance masks: a folder images beside a folder masks"),
    "PATH": Command("mrcnn.convert.formats", "any of the last ones, recognized by what is at PATH"),
    "--to": Command("mrcnn.convert.to_format", "the other way: write data as coco, yolo, labelme or cvat"),
}
COMMANDS: Commands = {
    "train": Command("mrcnn.commands.train", "train a model on a project, COCO JSON or other labels"),
    "infer": Command("mrcnn.commands.infer", "apply a model to a project or to images"),
    "merge": Command("mrcnn.commands.merge", "make COCO JSON or a project of the results of infer --engine"),
    "evaluate": Command("mrcnn.commands.evaluate", "measure a model's average precision on the same data"),
    "export": Command("mrcnn.commands.export", "write a SavedModel, ONNX or PyTorch file and prove that it is equal"),
    "serve": Command("mrcnn.commands.serve", "answer requests over HTTP"),
    "check": Command("mrcnn.commands.check", "look for mistakes in a project or other data"),
    "look": Command("mrcnn.commands.look", "draw training batches as the network gets them"),
    "tag": Command("mrcnn.project.tag", "split a project into training and validation images"),
    "inspect": Command("mrcnn.weights.inspect", "say what a weight file is"),
    "models": Command("mrcnn.commands.models", "list the published models to start from"),
    "card": Command("mrcnn.commands.card", "write the model card of a trained model anew"),
    "schema": Command("mrcnn.config.schema", "write the JSON schemas of the configs"),
    "completion": Command("mrcnn.commands.completion", "print a script for the Tab key in bash, zsh or fish"),
    "demo": Command("mrcnn.commands.demo", "train, evaluate, infer and export on a photograph"),
}
NAME = "mrcnn"
BELOW = ("keras", "tensorflow")  # packages whose versions `--version` prints too
ANY_FORMAT = "PATH"  # the row of `CONVERTERS` that recognizes the format
TO_FORMAT = "--to"  # the row of `CONVERTERS` that writes another format
CONVERT, CONVERT_SUMMARY = "convert", "make a project of another format, or another format of a project"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the sub-command that the command line names.

    Args:
        arguments: the command line without the program's name; None reads `sys.argv`.

    Returns:
        The sub-command's exit code; 2 without a sub-command or for an unknown one, as with argparse.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["--version"]:
        print("\n".join([f"{NAME} {mrcnn.__version__}", *(f"{name} {_installed(name)}" for name in BELOW)]))
        return 0
    if given[:1] == [CONVERT]:
        given[1:] = _target_first(given[1:])
        if given[1:] and given[1] not in CONVERTERS and Path(given[1]).exists():
            given.insert(1, ANY_FORMAT)
        return _dispatch(given[1:], CONVERTERS, prog=f"{NAME} {CONVERT}", more={})
    return _dispatch(given, COMMANDS, prog=NAME, more={CONVERT: CONVERT_SUMMARY})


def _target_first(given: list[str]) -> list[str]:
    """Moves `--to FORMAT` to the start, where it names the sub-command; `--to=FORMAT` is the same."""
    words = [part for word in given for part in (word.split("=", 1) if word.startswith(f"{TO_FORMAT}=") else [word])]
    if TO_FORMAT not in words:
        return given
    place = words.index(TO_FORMAT)
    return [*words[place : place + 2], *words[:place], *words[place + 2 :]]


def _dispatch(given: list[str], commands: Commands, *, prog: str, more: Mapping[str, str]) -> int:
    name = given[0] if given else "--help"
    if name in ("-h", "--help"):
        print(_help(commands, prog, more))
        return 0 if given else 2
    if name not in commands:
        close = difflib.get_close_matches(name, [*commands, *more], n=1)
        hint = f"did you mean {close[0]}?" if close else f"see {prog} --help"
        print(f"{prog}: there is no command {name!r}; {hint}", file=sys.stderr)
        return 2
    module = importlib.import_module(commands[name].module)
    return int(module.main([*commands[name].given, *given[1:]], prog=f"{prog} {name}") or 0)


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "is not installed"


def _help(commands: Commands, prog: str, more: Mapping[str, str]) -> str:
    rows = {**{name: command.summary for name, command in commands.items()}, **more}
    width = max(map(len, rows))
    lines = [f"usage: {prog} COMMAND ...", "", "commands:"]
    lines += [f"  {name:<{width}}  {summary}" for name, summary in rows.items()]
    lines += ["", f"{prog} COMMAND --help says more of each."]
    return "\n".join([*lines, *([f"{prog} --version prints the versions."] if prog == NAME else [])])


if __name__ == "__main__":
    sys.exit(main())
