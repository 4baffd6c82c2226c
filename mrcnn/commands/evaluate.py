"""Measures COCO AP on a Supervisely project, on its images with one tag, or on COCO JSON.

    python -m mrcnn evaluate --model MODEL --project DIR [--tag val] [--config MODE.json] [--output metrics.json]
    python -m mrcnn evaluate --model MODEL --data instances.json --images DIR [--config MODE.json]
    python -m mrcnn evaluate --model MODEL --project DIR --tag val --report report.html
    python -m mrcnn evaluate --model MODEL --project DIR --group cars=car,van --group persons=rider,walker

AP counts detections of every score, so the default threshold, detectron2's 0.05, is far below the one for
inference. Of an inference config only `mode`, without its selection of classes, and `model.tta` are used.
A model whose masks were trained on some of its classes has the groups `seen` and `unseen`.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from mrcnn import events, files, startup
from mrcnn.commands import arguments, paths
from mrcnn.config.load import load_inference_config
from mrcnn.errors import UserError, printable
from mrcnn.events import EventLog
from mrcnn.structures import EVALUATION_SCORE_THRESHOLD


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(
        prog=prog,
        usage="%(prog)s --model MODEL (--project DIR | --data JSON --images DIR) [OPTION ...]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.add_model(parser, required=True, text=arguments.RUNNABLE)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--project", type=Path, metavar="DIR", help="Supervisely project")
    place.add_argument("--data", type=Path, metavar="PATH", help=arguments.DATA)
    parser.add_argument("--images", type=Path, metavar="DIR", help=arguments.IMAGES)
    arguments.add_boxes(parser)
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--tag", metavar="NAME", help="only images with this tag")
    part.add_argument("--val", action="store_true",
                      help="only the images that a training on this data validates on: by its split, their tag, "
                           "or drawn by the seed of the model's config")  # fmt: skip
    parser.add_argument("--config", type=Path, metavar="JSON", help="inference config whose mode and `tta` are used")
    parser.add_argument("--output", type=Path, metavar="JSON", help="where the metrics are written too")
    parser.add_argument(
        "--report", type=Path, metavar="HTML", help="write a report: errors, curves, pictures, threshold"
    )
    parser.add_argument("--group", action="append", type=_group, default=[], metavar="NAME=CLASS,...",
                        help="also average over these classes; may be repeated")  # fmt: skip
    parser.add_argument("--score-threshold", type=float, default=EVALUATION_SCORE_THRESHOLD, metavar="0..1",
                        help=f"drop what scores less, default {EVALUATION_SCORE_THRESHOLD}")  # fmt: skip
    parser.add_argument("--batch-size", type=int, default=1, metavar="N", help="images at once, default 1")
    parser.add_argument("--device", metavar="cpu|N", help="CPU or number of a GPU; default: the first GPU if any")
    arguments.add_precision(parser)
    arguments.add_tf32(parser)
    arguments.add_log_format(parser)
    parser.add_argument("--debug", action="store_true", help="show where an error occurred")
    return parser


def parse(given: Sequence[str] | None = None, *, prog: str | None = None) -> argparse.Namespace:
    """Reads the command line."""
    return make_parser(prog).parse_args(given)


def _group(text: str) -> tuple[str, tuple[str, ...]]:
    """Reads the name of a group and the titles of its classes.

    Raises:
        ArgumentTypeError: the text is not of the form NAME=CLASS,CLASS.
    """
    name, _, titles = text.partition("=")
    classes = tuple(title.strip() for title in titles.split(",") if title.strip())
    if not name.strip() or not classes:
        raise argparse.ArgumentTypeError(f"must be NAME=CLASS,CLASS, got {text!r}")
    return name.strip(), classes


def evaluate(args: argparse.Namespace, log: EventLog) -> None:
    """Runs the evaluation that the options describe and prints the table.

    Raises:
        UserError: the batch size is below 1, or the model, the project or the config is wrong.
    """
    if args.batch_size < 1:
        raise UserError(f"the batch size must be at least 1, got {args.batch_size}")
    data = arguments.data_paths(args)
    config = load_inference_config(args.config or {}, warn=log.warning)
    paths.check_runnable(args.model, classes=args.classes)
    paths.check_data(args.project, data)
    if args.output:
        paths.check_file(args.output, what="the metrics")
    if args.report:
        paths.check_file(args.report, what="the report")
    scoring = startup.load("mrcnn.evaluate.run", debug=args.debug)
    prepared = scoring.prepare(
        args.model,
        scoring.DataPaths(**data) if data else args.project,
        tag=args.tag,
        only_val=args.val,
        names={"classes": args.classes, "input_size": args.input_size},
        loading={name: getattr(args, name) for name in ("score_threshold", "device", "precision", "tf32")},
        log=log,
        groups=dict(args.group),
        tta=config.model.tta,
    )
    if not (args.tag or args.val) and (
        line := startup.load("mrcnn.evaluate.val_images").warning(args.model, prepared.source)
    ):
        log.warning(line)
    given = {"mode": config.mode, "batch_size": args.batch_size, "log": log}
    if args.report:
        writing = startup.load("mrcnn.report.evaluation.write", debug=args.debug)
        metrics = writing.evaluate(prepared, args.report, model=args.model, **given)
    else:
        metrics = scoring.evaluate_prepared(prepared, **given)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    text = startup.load("mrcnn.evaluate.text_table").text_table(metrics, width=width)
    print(printable(text))
    if args.output:
        content = {"score_threshold": args.score_threshold, **scoring.jsonable(metrics)}
        with files.writing("the metrics", args.output):
            args.output.parent.mkdir(parents=True, exist_ok=True)
            with files.replaced(args.output) as partial:
                partial.write_text(json.dumps(content, indent=2), encoding="utf-8")


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command; returns the exit code."""
    options = parse(arguments, prog=prog)
    log = events.make_log(options.log_format)
    return events.run_main(lambda: evaluate(options, log), log=log, debug=options.debug)
