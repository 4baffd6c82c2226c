"""Lists the published models that inference and training can start from, or describes one of them.

    python -m mrcnn models
    python -m mrcnn models torchvision:maskrcnn_resnet50_fpn_v2

This command downloads nothing: a model is downloaded once, when it is first used. Average precision and panoptic
quality (PQ) are what the code bases publish for COCO val2017, in percent.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from mrcnn import events, startup
from mrcnn.errors import UserError, printable

MEASURES = {"box": "box AP", "mask": "mask AP", "keypoint": "keypoint AP", "panoptic": "PQ"}
HEAD = ("name", *MEASURES.values(), "MB", "licence", "file")
NONE = "–"
HERE, MISSING = "here", "not here yet"
HINTS = (
    "Use:   mrcnn infer --model NAME --images photos/ --output found/ --overlay",
    "Train: mrcnn train --model NAME --config CONFIG --project PROJECT --output runs/first, with a config such as the "
    "preset fine_tune_coco or fine_tune_torchvision",
    "The licence is that of the weights; torchvision's have none of their own, so it is that of its code.",
)


def listing() -> list[str]:
    """Builds a table of all models, and how to use them."""
    cache = startup.load("mrcnn.weights.cache")
    rows = [HEAD, *(_row(name, model) for name, model in _models().items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *cells, licence, place in rows:
        numbers = [cell.rjust(width) for cell, width in zip(cells, widths[1:-2], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *numbers, licence.ljust(widths[-2]), place]))
    return [*lines, "", *HINTS, f"A file that is not here is downloaded to {cache.folder()} when it is first used."]


def details(name: str) -> list[str]:
    """Builds the description of one model.

    Raises:
        UserError: no published model has the name.
    """
    models = _models()
    if name not in models:
        hint = startup.load("mrcnn.weights.published").hint(name, models)
        raise UserError(f"there is no published model {name!r}{hint}")
    model = models[name]
    place = startup.load("mrcnn.weights.cache").place(model.url)
    measured = ", ".join(f"{MEASURES[measure]} {value:.1f}" for measure, value in model.ap.items()) or "not published"
    size = "not published" if model.megabytes is None else f"{model.megabytes} MB"
    return [
        name,
        f"on COCO val2017, as published: {measured}",
        f"size: {size}",
        f"licence: {model.licence}",
        f"source: {model.url}",
        f"file: {place}, {HERE if place.is_file() else MISSING}",
    ]


def _models() -> Mapping[str, Any]:
    published = startup.load("mrcnn.weights.published")
    return {published.COCO: published.MATTERPORT, **published.MODELS}


def _row(name: str, model: Any) -> tuple[str, ...]:
    place = startup.load("mrcnn.weights.cache").place(model.url)
    precision = [f"{model.ap[measure]:.1f}" if measure in model.ap else NONE for measure in MEASURES]
    size = NONE if model.megabytes is None else str(model.megabytes)
    return name, *precision, size, model.licence, HERE if place.is_file() else MISSING


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(
        prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", help="describe this model alone")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command; returns the exit code."""
    options = make_parser(prog).parse_args(arguments)
    log = events.make_log("rich")

    def show() -> None:
        print(printable("\n".join(details(options.name) if options.name else listing())))

    return events.run_main(show, log=log, debug=options.debug)
