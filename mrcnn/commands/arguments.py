"""Command-line options that select a model, and data in any format."""

import argparse
from pathlib import Path
from typing import Any

from mrcnn.config.base import AUTO, PRECISIONS
from mrcnn.errors import UserError

DATA = "data that is no project: COCO JSON, YOLO, labelme, VIA, CVAT, Label Studio, Pascal VOC, …; docs/data.md"
IMAGES = "with --data: folder of the images that it lists"
MODEL = "model folder, output of train.py, weight file, coco or a published name"
RUNNABLE = f"{MODEL}; or an exported file or its folder"
BOXES = "with --data: take an object that has only a box as a mask, the whole box (left out)"


def add_model(parser: argparse.ArgumentParser, *, required: bool, text: str = MODEL) -> None:
    """Adds `--model`, `--classes` and `--input-size`, the arguments of `Predictor.load`.

    Args:
        parser: receives the options.
        required: whether `--model` must be given.
        text: the help of `--model`: `RUNNABLE` for a command that runs exported files too.
    """
    parser.add_argument("--model", type=Path, required=required, metavar="MODEL", help=text)
    parser.add_argument("--classes", metavar="NAMES", help="of a lone weight file: name,name,... or JSON list, or coco")
    parser.add_argument("--input-size", type=int, nargs=2, metavar=("MIN", "MAX"),
                        help="of a lone weight file: sides in pixels; default that of its code base")  # fmt: skip


def add_log_format(parser: argparse.ArgumentParser) -> None:
    """Adds `--log-format`, the argument of `events.make_log`."""
    parser.add_argument("--log-format", choices=("auto", "rich", "json"), default="auto",
                        help="log on stderr: rich text or JSON lines; default auto: rich on a terminal")  # fmt: skip


def add_boxes(parser: argparse.ArgumentParser) -> None:
    """Adds `--boxes-as-masks`, a field of `data.sources.source.DataPaths`."""
    parser.add_argument("--boxes-as-masks", action="store_true", help=BOXES)


def add_precision(parser: argparse.ArgumentParser) -> None:
    """Adds `--precision`, an argument of `model_folder.read.load_model`."""
    parser.add_argument("--precision", choices=PRECISIONS, default="float32",
                        help="number format of the convolutions, default float32; auto: the faster one")  # fmt: skip


def add_tf32(parser: argparse.ArgumentParser) -> None:
    """Adds `--tf32` and `--no-tf32`, the argument `tf32` of `model_folder.read.load_model`; without both it is None."""
    parser.add_argument("--tf32", action=argparse.BooleanOptionalAction, default=None,
                        help="on a GPU: float32 in TF32, faster and less exact; on unless switched off")  # fmt: skip


def batch_size(text: str) -> int | str:
    """Reads a batch size: a whole number or `auto`.

    Whether the number is too small is checked later.

    Raises:
        ArgumentTypeError: the text is neither.
    """
    try:
        return text if text == AUTO else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number or {AUTO}, got {text!r}") from None


def data_paths(options: argparse.Namespace) -> dict[str, Any] | None:
    """Collects the options that name data of any format.

    Returns:
        The fields of `data.sources.source.DataPaths`; None without `--data`.

    Raises:
        UserError: an option that belongs to `--data` was given without it.
    """
    given = {name: getattr(options, name, None) for name in ("images", "val_data", "val_images")}
    fields: dict[str, Any] = {name: path for name, path in given.items() if path is not None}
    fields |= {"boxes_as_masks": True} if getattr(options, "boxes_as_masks", False) else {}
    if options.data is not None:
        return {"data": options.data, **fields}
    for name in fields:
        raise UserError(f"--{name.replace('_', '-')} has no effect without --data; give both or neither")
    return None
