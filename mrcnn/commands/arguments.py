"""Command-line options that select a model, and data in any format."""

import argparse
from pathlib import Path

from mrcnn.config.base import AUTO
from mrcnn.errors import UserError

DATA = "data that is no project, for example COCO instance JSON"
IMAGES = "with --data: folder of the images that it lists"


def add_model(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Adds `--model`, `--classes` and `--input-size`, the arguments of `model_folder.read.read_model`."""
    parser.add_argument("--model", type=Path, required=required, metavar="MODEL",
                        help="model folder, output of train.py, .h5 file with --classes, or coco")  # fmt: skip
    parser.add_argument("--classes", metavar="NAMES", help="of a lone .h5 file: name,name,... or JSON list, or coco")
    parser.add_argument("--input-size", type=int, nargs=2, metavar=("MIN", "MAX"),
                        help="of a lone .h5 file: sides in pixels, default 800 1024")  # fmt: skip


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


def data_paths(options: argparse.Namespace) -> dict[str, Path] | None:
    """Collects the options that name data of any format.

    Returns:
        The fields of `data.sources.source.DataPaths`; None without `--data`.

    Raises:
        UserError: an option that belongs to `--data` was given without it.
    """
    given = {name: getattr(options, name, None) for name in ("images", "val_data", "val_images")}
    fields = {name: path for name, path in given.items() if path is not None}
    if options.data is not None:
        return {"data": options.data, **fields}
    for name in fields:
        raise UserError(f"--{name.replace('_', '-')} has no effect without --data; give both or neither")
    return None
