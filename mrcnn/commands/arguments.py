"""Command-line options that select a model."""

import argparse
from pathlib import Path


def add_model(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Adds `--model`, `--classes` and `--input-size`, the arguments of `model_folder.read.read_model`."""
    parser.add_argument("--model", type=Path, required=required, metavar="MODEL",
                        help="model folder, output of train.py, .h5 file with --classes, or coco")  # fmt: skip
    parser.add_argument("--classes", metavar="NAMES", help="of a lone .h5 file: name,name,... or JSON list, or coco")
    parser.add_argument("--input-size", type=int, nargs=2, metavar=("MIN", "MAX"),
                        help="of a lone .h5 file: sides in pixels, default 800 1024")  # fmt: skip
