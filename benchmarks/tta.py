"""Measures what test-time augmentation costs and gains: seconds per image and AP, without and with each part of it.

    python -m benchmarks.tta --model MODEL --project DIR --tag val [--images 100] [--min-dims 400 600 800]

Rows: the model as it is, with mirror images, with the sizes, and with both. Each row is evaluated on the same images.
The time is that of all images but a first one, for which the graphs are built; it includes reading and scoring.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from mrcnn import events
from mrcnn.commands import arguments
from mrcnn.config.tta import TtaConfig
from mrcnn.evaluate import run
from mrcnn.events import EventLog
from mrcnn.model_folder import read
from mrcnn.model_folder.read import ModelBundle
from mrcnn.predict import sources
from mrcnn.predict.sources import Source
from mrcnn.predict.staged import AnyPredictor
from mrcnn.predict.tta.predictor import AugmentedPredictor, predictor_of
from mrcnn.structures import EVALUATION_SCORE_THRESHOLD

MEASURES = ("box_ap", "box_ap50", "mask_ap", "mask_ap50", "keypoint_ap")
HEAD = ("", "views", "s/image", "times", *(name.replace("_", " ") for name in MEASURES))


class Case(NamedTuple):
    """A row of the table.

    Attributes:
        title: of the row.
        tta: the settings; None for the model as it is.
    """

    title: str
    tta: TtaConfig | None


def main(options: argparse.Namespace, log: EventLog) -> None:
    """Prints a table with a row for each case."""
    bundle = read.load_model(
        read.read_model(options.model, classes=options.classes, input_size=options.input_size),
        score_threshold=EVALUATION_SCORE_THRESHOLD,
        device=options.device,
        precision=options.precision,
        warn=log.warning,
    )
    source = sources.open_project(options.project)
    source = sources.with_tag(source, options.tag) if options.tag else source
    source = replace(source, entries=source.entries[: options.images])
    size = bundle.input_size
    print(f"{len(source.entries)} images, batch size {options.batch_size}, input {size.min_dim}/{size.max_dim}")
    print(f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}")
    usual = None
    for case in cases(bundle, options.min_dims, options.max_dim):
        predictor = predictor_of(bundle, case.tta, say=log.info)
        metrics, seconds = measured(predictor, source, log=log, batch_size=options.batch_size)
        usual = usual or seconds
        print(row(case, predictor, metrics, seconds=seconds, usual=usual), flush=True)


def parse(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_model(parser, required=True)
    parser.add_argument("--project", required=True, metavar="DIR")
    parser.add_argument("--tag", metavar="NAME", help="only images with this tag")
    parser.add_argument("--images", type=int, metavar="N", help="the first N of them; default all")
    parser.add_argument("--min-dims", type=int, nargs="+", metavar="N", help="short sides, instead of the defaults")
    parser.add_argument("--max-dim", type=int, default=TtaConfig().max_dim, metavar="N", help="limit of long sides")
    parser.add_argument("--batch-size", type=int, default=1, metavar="N")
    parser.add_argument("--device", metavar="cpu|N")
    arguments.add_precision(parser)
    return parser.parse_args(given)


def cases(bundle: ModelBundle, min_dims: Sequence[int] | None, max_dim: int) -> tuple[Case, ...]:
    """Lists the rows of the table.

    Args:
        bundle: the model.
        min_dims: short sides of the views; None for the defaults.
        max_dim: limit of their long sides.
    """
    size = bundle.input_size
    chosen = tuple(min_dims) if min_dims else None
    own = {"min_dims": (min(size.min_dim, size.max_dim),), "max_dim": size.max_dim}
    return (
        Case("plain", None),
        Case("mirrored", TtaConfig(**own, flip=True)),
        Case("sizes", TtaConfig(min_dims=chosen, max_dim=max_dim, flip=False)),
        Case("sizes, mirrored", TtaConfig(min_dims=chosen, max_dim=max_dim, flip=True)),
    )


def measured(
    predictor: AnyPredictor, source: Source, *, log: EventLog, batch_size: int = 1
) -> tuple[dict[str, Any], float]:
    """Evaluates a predictor twice, on the first image and on all.

    Returns:
        The metrics of all images, and the seconds per image of the second time.
    """
    run.evaluate(predictor, replace(source, entries=source.entries[:1]), log=log)
    begin = time.perf_counter()
    metrics = run.evaluate(predictor, source, log=log, batch_size=batch_size)
    return metrics, (time.perf_counter() - begin) / metrics["images"]


def row(case: Case, predictor: AnyPredictor, metrics: dict[str, Any], *, seconds: float, usual: float) -> str:
    """Formats a row of the table.

    Args:
        case: the settings.
        predictor: that was measured.
        metrics: of `run.evaluate`.
        seconds: per image.
        usual: seconds per image of the model as it is.
    """
    views = len(predictor.views) if isinstance(predictor, AugmentedPredictor) else 1
    values = (f"{metrics[name]:.3f}" if name in metrics else "-" for name in MEASURES)
    cells = (case.title, str(views), f"{seconds:.2f}", f"{seconds / usual:.1f}", *values)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    run_log = events.make_log()
    sys.exit(events.run_main(lambda: main(parse(), run_log), log=run_log))
