"""Describes the content of a weight file: `python -m mrcnn inspect FILE`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mrcnn.errors import UserError, printable
from mrcnn.weights import apply, foreign, hdf5, inspect_foreign, names, sizes


@dataclass(frozen=True)
class Facts:
    """Facts about the model of a by-name weight file.

    A fact is None if it cannot be derived from the file.

    Attributes:
        origin: form of the file and the program that wrote it, as text.
        old: whether the file was written by another program than this project.
        layers: number of layers with weights.
        tensors: number of weight tensors.
        parameters: number of values in all tensors.
        backbone: `resnet50` or `resnet101`.
        num_classes: number of classes with background.
        anchors_per_location: number of aspect ratios.
        channels: channel count of the input image.
        widths: other sizes of the network by their names in the config's `model`; unknown ones are left out.
        unknown: layers of the file that are not in Matterport's Mask R-CNN.
        missing: layers of a Mask R-CNN with this backbone that the file lacks.
    """

    origin: str
    old: bool
    layers: int
    tensors: int
    parameters: int
    backbone: str | None
    num_classes: int | None
    anchors_per_location: int | None
    channels: int | None
    widths: Mapping[str, int]
    unknown: tuple[str, ...]
    missing: tuple[str, ...]


def facts_of(file: hdf5.LegacyFile) -> Facts:
    """Derives the facts from names and shapes, without reading values."""
    tensors = [dataset for weights in file.layers.values() for dataset in weights.values()]
    depth = _depth(file.layers)
    expected = names.layer_names(depth or 50)
    anchor_scores = sizes.side(file.layers, "rpn_class_raw")
    return Facts(
        origin=_origin(file),
        old=file.writer != hdf5.WRITER,
        layers=len(file.layers),
        tensors=len(tensors),
        parameters=sum(int(np.prod(dataset.shape)) for dataset in tensors),
        backbone=f"resnet{depth}" if depth else None,
        num_classes=sizes.side(file.layers, "mrcnn_class_logits"),
        anchors_per_location=None if anchor_scores is None else anchor_scores // 2,
        channels=sizes.side(file.layers, "conv1", axis=-2),
        widths=sizes.widths(file.layers),
        unknown=tuple(layer for layer in file.layers if layer not in names.layer_names(101)),
        missing=tuple(layer for layer in expected if layer not in file.layers),
    )


def lines(path: str, facts: Facts) -> list[str]:
    """Formats the facts as lines to print."""

    def shown(value: object) -> str:
        return "unknown" if value is None else str(value)

    result = [
        path,
        f"  form: {facts.origin}",
        f"  content: {facts.layers} layers, {facts.tensors} tensors, {facts.parameters:,} parameters",
        f"  backbone: {shown(facts.backbone)}",
        f"  classes with background: {shown(facts.num_classes)}",
        f"  anchors per location: {shown(facts.anchors_per_location)}",
        f"  input channels: {shown(facts.channels)}",
    ]
    if facts.widths:
        result.append("  sizes: " + ", ".join(f"{key} {value}" for key, value in facts.widths.items()))
    if facts.unknown:
        result.append(f"  not of a Mask R-CNN: {len(facts.unknown)}: {apply.abridge(facts.unknown)}")
    if facts.missing and not _foreign(facts):
        result.append(f"  a Mask R-CNN also needs {len(facts.missing)} layers: {apply.abridge(facts.missing)}")
    return [*result, f"  loads: {_verdict(facts)}"]


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="weight file: HDF5, PyTorch, safetensors, pickle")
    return parser


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Prints the facts about weight files; an unreadable file causes one line on stderr.

    Args:
        arguments: the command line; None means `sys.argv`.
        prog: name of the program in the help.

    Returns:
        The exit code: 0, or 1 if a file cannot be read.
    """
    failed = False
    for path in make_parser(prog).parse_args(arguments).files:
        try:
            print(printable("\n".join(_lines_of(path))))
        except UserError as error:
            failed = True
            print(f"error: {error}", file=sys.stderr)
    return int(failed)


def _lines_of(path: str) -> list[str]:
    if foreign.is_foreign(path):
        return inspect_foreign.lines(foreign.read(path))
    with hdf5.read_file(path) as file:
        return lines(path, facts_of(file))


def _origin(file: hdf5.LegacyFile) -> str:
    if file.writer == hdf5.WRITER:
        author = "new, written by this project"
    else:
        author = f"old, written by Keras {file.keras_version}"
    parts = [author, "whole model" if file.form == "full model" else "weights only"]
    if file.nested:
        parts.append("nested in one group as by a multi-GPU wrapper")
    return ", ".join(parts)


def _depth(layers: hdf5.Datasets) -> int | None:
    if "res4f_branch2a" not in layers:
        return None
    return 101 if any(names.is_deep(layer) for layer in layers) else 50


def _foreign(facts: Facts) -> bool:
    return facts.layers == len(facts.unknown)


def _verdict(facts: Facts) -> str:
    if _foreign(facts):
        if "conv1_conv" in facts.unknown:
            return "as `imagenet_weights`, it looks like keras.applications' ResNet"
        return "nothing, none of its layers is of a Mask R-CNN"
    backbone_missing = [layer for layer in facts.missing if names.is_backbone(layer)]
    if facts.backbone is None or backbone_missing:
        return "not by itself, the backbone is not complete"
    if facts.missing:
        return f"the backbone of a {facts.backbone}; the missing layers would start from random weights"
    whole = f"everything into a {facts.backbone} with {facts.num_classes} classes"
    if facts.num_classes is None:
        return whole
    return f"{whole}; without a model folder, --classes must name the {facts.num_classes - 1} besides the background"
