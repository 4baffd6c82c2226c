"""Exports a trained model: `mrcnn export --model MODEL --out DIR`, or `deploy.py export`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mrcnn import files, startup
from mrcnn.commands import arguments, paths, tasks
from mrcnn.errors import UserError
from mrcnn.events import EventLog

HELP = "write a SavedModel, ONNX, OpenVINO, LiteRT or PyTorch file and prove that it is equal"
# for the Tab key; the table itself needs TensorFlow
FORMATS = ("saved_model", "onnx", "openvino", "litert", "keras", "torchvision", "detectron2")
RUN_OPTIONS = ("classes", "input_size", "score_threshold", "device", "tf32")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the export."""
    arguments.add_model(parser, required=True)
    parser.add_argument("--out", "--output", type=Path, required=True, metavar="DIR",
                        help="new folder, e.g. models/coins/1")  # fmt: skip
    parser.add_argument("--format", default="saved_model", metavar="NAME",
                        help=f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]} (saved_model)")  # fmt: skip
    parser.add_argument("--weights", default="float32", metavar="KIND",
                        help="float32 (default); float16, int8 of onnx, openvino, litert; "
                             "dynamic_int8 of litert")  # fmt: skip
    parser.add_argument("--calibrate", type=Path, metavar="DIR",
                        help="for int8: images like those to come; at most 64 are used")  # fmt: skip
    parser.add_argument("--images", type=Path, metavar="DIR", help="images to compare on; default: of --project, or "
                                                                   "bundled photographs")  # fmt: skip
    parser.add_argument("--project", type=Path, metavar="DIR", help="project with labels, for the AP of both models")
    parser.add_argument("--tag", metavar="NAME", help="only images of the project with this tag")
    parser.add_argument("--score-threshold", type=float, metavar="0..1", help="instead of the model's own")
    parser.add_argument("--device", default="cpu", metavar="cpu|N", help="where to compare; the result runs anywhere")
    arguments.add_tf32(parser)
    tasks.add_log_options(parser)


def export(options: argparse.Namespace, log: EventLog) -> None:
    """Exports the model as the options describe."""
    chosen = {name: getattr(options, name) for name in RUN_OPTIONS}
    files.check_free(options.out, fix="remove it or name another")
    paths.check_model(options.model, classes=options.classes)
    if options.images:
        paths.check_images(options.images)
    if options.calibrate:
        paths.check_images(options.calibrate)
    if options.project:
        paths.check_data(options.project, None)
    elif options.tag:
        raise UserError(f"--tag {options.tag} selects images of a project; add --project")
    run = startup.load("mrcnn.export.run", debug=options.debug)
    target = run.Target(options.format, options.weights, options.calibrate)
    images = run.Labelled(options.project, options.tag, options.images) if options.project else options.images
    run.export(options.model, options.out, log=log, format=target, images=images, **chosen)


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(prog=prog, description=f"{HELP[0].upper()}{HELP[1:]}.")
    add_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command; returns the exit code."""
    options = make_parser(prog).parse_args(arguments)
    return tasks.run(lambda log: export(options, log), options)
