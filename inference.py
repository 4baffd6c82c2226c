"""Applies a trained model to a Supervisely project or to a folder of images; `--help` lists the options."""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow starts to talk

from mrcnn import events
from mrcnn.config.load import load_inference_config
from mrcnn.infer import arguments, load, run, sources


def parse(given: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; paths not given are those of the task folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    arguments.add_model(parser, required=False)
    images = parser.add_mutually_exclusive_group()
    images.add_argument("--project", type=Path, metavar="DIR", help="Supervisely project to add detections to")
    images.add_argument("--images", type=Path, metavar="DIR", help="folder of images")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where the project with the detections is written")
    parser.add_argument("--config", type=Path, metavar="JSON", help="inference config, see presets/")
    parser.add_argument("--overlay", action="store_true", help="also draw pictures into OUTPUT/overlay")
    parser.add_argument("--score-threshold", type=float, metavar="0..1", help="drop what scores less")
    parser.add_argument("--batch-size", type=int, default=1, metavar="N", help="images at once, default 1")
    parser.add_argument("--device", metavar="cpu|N", help="CPU or number of a GPU, instead of the config's gpu_device")
    parser.add_argument("--precision", choices=load.PRECISIONS, default="float32")
    parser.add_argument("--task-dir", type=Path, default=Path("/sly_task_data"), metavar="DIR",
                        help="where paths that are not given are: task_config.json, model, data, results")  # fmt: skip
    parser.add_argument("--log-format", choices=("auto", "rich", "json"), default="auto")
    parser.add_argument("--debug", action="store_true", help="show where an error occurred")
    return parser.parse_args(given)


def infer(args: argparse.Namespace, log: events.EventLog) -> None:
    """Runs the inference that the command line asks for."""
    whole_task = args.model is None and args.project is None and args.images is None
    if args.output is None and not whole_task:
        raise events.UserError("--output is missing; name a new folder for the results")
    config_path = args.config or (args.task_dir / "task_config.json" if whole_task else None)
    config = load_inference_config(config_path or {}, warn=log.warning)
    source = sources.open_images(args.images) if args.images else sources.open_project(
        args.project or args.task_dir / "data")  # fmt: skip
    told = ("overlay", "batch_size", "score_threshold", "device", "precision", "classes", "input_size")
    options = run.Options(**{name: getattr(args, name) for name in told})
    run.run_inference(
        args.model or args.task_dir / "model",
        source,
        args.output or args.task_dir / "results",
        config=config,
        log=log,
        options=options,
    )


if __name__ == "__main__":
    command_line = parse()
    run_log = events.make_log(command_line.log_format)
    sys.exit(events.run_main(lambda: infer(command_line, run_log), log=run_log, debug=command_line.debug))
