"""Applies a trained model: `mrcnn infer --model MODEL --project DIR --output DIR`, or `inference.py`.

`--images` reads image files instead of a project, and with `--data` only those that a COCO file lists.
`--engine` is for any number of images, see `many`.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mrcnn import optional, startup
from mrcnn.commands import arguments, many, paths, tasks
from mrcnn.config.load import load_inference_config
from mrcnn.errors import UserError
from mrcnn.events import EventLog

NEEDS = {"model": "--model", "project": "--project (or --images)", "output": "--output"}
RUN_OPTIONS = (
    "overlay",
    "batch_size",
    "score_threshold",
    "device",
    "precision",
    "tf32",
    "resume",
    "classes",
    "input_size",
)


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(
        prog=prog, description="Apply a trained model to a Supervisely project or to a folder of images."
    )
    arguments.add_model(parser, required=False, text=arguments.RUNNABLE)
    images = parser.add_mutually_exclusive_group()
    images.add_argument("--project", type=Path, metavar="DIR", help="Supervisely project to add detections to")
    images.add_argument(
        "--images",
        nargs="+",
        metavar="PATH",
        help="folders, image files or patterns such as 'a/*.jpg', or one video",
    )
    parser.add_argument("--data", type=Path, metavar="PATH",
                        help="only the images that data lists, e.g. COCO JSON; --images is their folder")  # fmt: skip
    arguments.add_boxes(parser)
    parser.add_argument("--recursive", action="store_true", help="with --images: look into subfolders too")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where the project with the detections is written")
    parser.add_argument("--config", type=Path, metavar="JSON", help="inference config, see presets/")
    parser.add_argument("--overlay", action="store_true", help="also draw pictures into OUTPUT/overlay, or the video")
    parser.add_argument("--score-threshold", type=float, metavar="0..1", help="drop what scores less")
    parser.add_argument("--batch-size", type=arguments.batch_size, default=1, metavar="N|auto",
                        help="images at once, default 1; auto: chosen by trials")  # fmt: skip
    parser.add_argument("--device", metavar="cpu|N", help="CPU or number of a GPU, instead of the config's gpu_device")
    arguments.add_precision(parser)
    arguments.add_tf32(parser)
    parser.add_argument("--resume", action="store_true", help="go on with a run that was interrupted")
    tasks.add_options(parser)
    many.add_options(parser)
    return parser


def parse(given: Sequence[str] | None = None, *, prog: str | None = None) -> argparse.Namespace:
    """Reads the command line."""
    return make_parser(prog).parse_args(given)


def infer(options: argparse.Namespace, log: EventLog) -> None:
    """Runs the inference that the options describe."""
    if options.engine:
        many.run(options, log)
        return
    many.check_unused(options)
    listed = _listed(options)
    needs = {name: text for name, text in NEEDS.items() if not (name == "project" and (options.images or listed))}
    task = tasks.open_task(options, needs=needs, instead=("model", "project", "images"))
    model, output = task.path("model"), task.path("output")
    project = None if options.images or listed else task.path("project")
    config = load_inference_config(task.path("config") if options.config or task.root else {}, warn=log.warning)
    if options.overlay:
        optional.require("draw", purpose="--overlay")
    if (film := _video(options)) and not listed:
        paths.check_runnable(model, classes=options.classes)
        on_video = startup.load("mrcnn.annotate.video", debug=options.debug)
        on_video.run_video(model, film, output, config=config, log=log, options=_chosen(options))
        return
    source = _source(options, project, listed)
    paths.check_runnable(model, classes=options.classes)
    paths.check_detections(output, source, resume=options.resume)
    run = startup.load("mrcnn.annotate.run", debug=options.debug)
    run.run_inference(model, source, output, config=config, log=log, options=_chosen(options))


def _chosen(options: argparse.Namespace) -> Any:
    """Collects the options of a run, an `annotate.setup.Options`."""
    setup = startup.load("mrcnn.annotate.setup", debug=options.debug)
    return setup.Options(**{name: getattr(options, name) for name in RUN_OPTIONS})


def _video(options: argparse.Namespace) -> Path | None:
    """Finds the video that `--images` names; None where it names images."""
    places = [Path(place) for place in options.images or []]
    found = [place for place in places if startup.load("mrcnn.images.video").is_video(place)]
    if found and len(places) > 1:
        raise UserError(f"the video {found[0]} must be the only --images; give one video, or images")
    return found[0] if found else None


def _source(options: argparse.Namespace, project: Path | None, listed: Mapping[str, Any] | None) -> Any:
    """Opens the input, a `predict.sources.Source`."""
    sources = startup.load("mrcnn.predict.sources", debug=options.debug)
    if listed:
        return sources.open_data(sources.DataPaths(**listed))
    if project:
        return sources.open_project(project)
    return sources.open_images(options.images, recursive=options.recursive)


def _listed(options: argparse.Namespace) -> dict[str, Any] | None:
    """Collects the paths of `--data` and its folder of images; None without `--data`.

    Raises:
        UserError: `--data` is given with a project or with several places of images.
    """
    if options.data is None:
        return None
    if options.project or options.recursive or len(options.images or []) > 1:
        raise UserError("--data goes with one folder of --images and without --project and --recursive")
    images = {"images": Path(options.images[0])} if options.images else {}
    return {"data": options.data, **images, "boxes_as_masks": options.boxes_as_masks}


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command; returns the exit code."""
    options = parse(arguments, prog=prog)
    return tasks.run(lambda log: infer(options, log), options)
