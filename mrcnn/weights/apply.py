"""Loads stored weights into a model's variables by (layer, weight) name, with a report.

All shapes and values are checked before anything is assigned, so a rejected file leaves the model unchanged.
"""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mrcnn.errors import UserError
from mrcnn.weights import foreign, hdf5, names, sizes

SHARED_DELTAS = 4  # outputs of a box head with one box for all classes
SHOWN = 6  # names printed from the start of a longer list


@dataclass(frozen=True)
class LoadReport:
    """The result of loading weights, layer by layer.

    Names are those of layers, or `layer/weight` if only a part of a layer is concerned.

    Attributes:
        source: path of the file or folder.
        loaded: layers that were loaded.
        excluded: layers of the model that were excluded on request.
        missing: layers of the model that the file lacks; they keep their values.
        left_over: layers of the file that the model lacks.
        parameters: how many numbers were loaded.
        notes: conversions of the values, one sentence each.
    """

    source: str
    loaded: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()
    parameters: int = 0
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Formats the report as lines to print, without lines for empty lists."""
        lines = [f"weights from {self.source}: {_count(self.loaded)} loaded, {self.parameters:,} parameters"]
        for what, listed in (
            ("excluded on request", self.excluded),
            ("missing in the file, kept as they were", self.missing),
            ("left over in the file, not in the model", self.left_over),
        ):
            if listed:
                lines.append(f"  {what}: {_count(listed)}: {abridge(listed)}")
        return lines + [f"  {note}" for note in self.notes]


def load_into(
    layout: hdf5.Layout,
    source: str | os.PathLike | hdf5.LegacyFile,
    *,
    exclude: Collection[str] = (),
    adapt_conv1: bool = False,
) -> LoadReport:
    """Loads a by-name weight file into variables.

    Args:
        layout: the model's layers with their weights, in any order.
        source: path of a by-name HDF5 file or of a file of another code base, see `foreign.read`; or an open HDF5 file,
            which stays open.
        exclude: layers of the model that are not loaded; names of layers without weights are allowed.
        adapt_conv1: adapt a conv1 with another number of input channels to the model, see `fit_input_channels`.

    Returns:
        The result for each layer; pass it to `require_backbone` if the whole backbone must be loaded.

    Raises:
        UserError: the file cannot be read, no layer of it is in the model, a detector of another code base has parts
            that no model here has, a shape differs, or a value is NaN or infinite. Then no variable has changed.
    """
    if isinstance(source, hdf5.LegacyFile):
        return assign(layout, source.layers, source=source.path, exclude=exclude, adapt_conv1=adapt_conv1)
    if foreign.is_foreign(source):
        detector = foreign.read(source)
        detector.require_known_parts()
        layers = detector.layers()
        return assign(layout, layers, source=str(source), exclude=exclude, adapt_conv1=adapt_conv1)
    with hdf5.read_file(source) as file:
        return assign(layout, file.layers, source=file.path, exclude=exclude, adapt_conv1=adapt_conv1)


def assign(
    layout: hdf5.Layout,
    stored: hdf5.Datasets,
    *,
    source: str,
    exclude: Collection[str] = (),
    adapt_conv1: bool = False,
) -> LoadReport:
    """Assigns stored arrays or HDF5 data sets to variables.

    Args:
        layout: as for `load_into`.
        stored: the values, {layer: {weight: array or data set}}.
        source: name of the file in messages.
        exclude: as for `load_into`.
        adapt_conv1: as for `load_into`.

    Returns:
        As `load_into`.

    Raises:
        UserError: as `load_into`.
    """
    if not any(layer in stored for layer, _ in layout):
        found = abridge(list(stored)) or "no weights at all"
        raise UserError(f"{source} holds no layer of this model, only {found}: is it another architecture's file?")
    steps = [
        _Step(layer, weight, variable, stored[layer][weight])
        for layer, weights in layout
        if layer not in exclude
        for weight, variable in weights
        if weight in stored.get(layer, ())
    ]
    notes = _check_shapes(steps, source=source, adapt_conv1=adapt_conv1)
    for step in steps:
        _check_values(step, source)
    for step in steps:
        step.variable.assign(_values(step, source))
    return _report(layout, stored, steps=steps, source=source, exclude=exclude, notes=notes)


def require_backbone(report: LoadReport) -> None:
    """Checks that the whole ResNet was loaded, from a file of the same depth.

    Raises:
        UserError: layers of the ResNet are missing or left over; the message names them and the fix. Layers excluded
            on request do not count.
    """
    missing = [name for name in report.missing if names.is_backbone(name)]
    left_over = [name for name in report.left_over if names.is_backbone(name)]
    if any(names.is_deep(name) for name in left_over):
        raise UserError(_wrong_depth(report.source, stored=101, wanted=50))
    if missing and all(names.is_deep(name) for name in missing):
        raise UserError(_wrong_depth(report.source, stored=50, wanted=101))
    if missing:
        raise UserError(
            f"{report.source} lacks {_count(missing)} of the backbone ({abridge(missing)}), which would stay random: "
            "use a complete weight file"
        )
    if left_over:
        raise UserError(
            f"{report.source} holds backbone layers that the model does not have ({abridge(left_over)}): "
            "use a file of a resnet50 or resnet101"
        )


def fit_input_channels(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Adapts the kernel of the first convolution to another number of input channels.

    With fewer channels, each becomes the average of the stored ones; with more, the additional ones become that
    average. All are then scaled by stored / new count, so an image with equal channels has the same features as before.

    Args:
        kernel: `[h, w, stored channels, out]` float32.
        channels: new number of input channels.

    Returns:
        `[h, w, channels, out]` float32.
    """
    count = kernel.shape[2]
    if channels == count:
        return kernel
    mean = kernel.mean(axis=2, keepdims=True)
    kept = kernel if channels > count else kernel[:, :, :0]
    filled = np.concatenate([kept, np.repeat(mean, channels - kept.shape[2], axis=2)], axis=2)
    return np.asarray(filled * (count / channels), dtype=np.float32)


def channel_note(weight: str, *, stored: int, wanted: int) -> str:
    """Describes what `fit_input_channels` does to a weight.

    Args:
        weight: name of the weight.
        stored: input channels in the file.
        wanted: input channels of the model.
    """
    averaged = f"averaged to {wanted}"
    inflated = f"inflated to {wanted}, each new one starts as the average"
    return f"{weight}: {stored} input channels {averaged if wanted < stored else inflated}"


def abridge(listed: Sequence[str]) -> str:
    """Joins names to a text; abridges a long list to its first names and last."""
    if len(listed) <= SHOWN + 1:
        return ", ".join(listed)
    return f"{', '.join(listed[:SHOWN])}, … {listed[-1]}"


class _Step(NamedTuple):
    """One weight that will be assigned."""

    layer: str
    weight: str
    variable: Any
    values: Any  # an h5py data set or an array

    @property
    def label(self) -> str:
        return _label(self.layer, self.weight)

    @property
    def needs_fit(self) -> bool:
        """Whether this is a conv1 kernel that differs from the model's only in input channels."""
        stored, wanted = tuple(self.values.shape), tuple(self.variable.shape)
        if self.layer != "conv1" or len(stored) != 4 or len(wanted) != 4:
            return False
        return stored != wanted and stored[:2] + stored[3:] == wanted[:2] + wanted[3:]


def _check_shapes(steps: Iterable[_Step], *, source: str, adapt_conv1: bool) -> tuple[str, ...]:
    """Checks that shapes are equal or can be adapted.

    Returns:
        A note on each weight that will be adapted.

    Raises:
        UserError: another shape differs.
    """
    notes, wrong = [], []
    for step in steps:
        stored, wanted = tuple(step.values.shape), tuple(step.variable.shape)
        if stored == wanted:
            continue
        if adapt_conv1 and step.needs_fit:
            notes.append(channel_note(step.label, stored=stored[2], wanted=wanted[2]))
        else:
            wrong.append(step)
    if wrong:
        # some families have one score for each anchor, others two, but all have four deltas, which count the anchors
        first = min(wrong, key=lambda step: "rpn_class_raw" in step.weight)
        more = f" ({len(wrong) - 1} more weights differ)" if len(wrong) > 1 else ""
        raise UserError(
            f"layer {first.layer}, weight {first.weight}: {source} has shape {tuple(first.values.shape)}, the model "
            f"{tuple(first.variable.shape)}{more}: {_shape_hint(first)}"
        )
    return tuple(notes)


def _shape_hint(step: _Step) -> str:
    stored, wanted = step.values.shape[-1:], tuple(step.variable.shape)[-1:]
    numbers = (*stored, *wanted)
    if step.needs_fit:
        return f"set `model.channels` to {step.values.shape[2]}"
    if key := sizes.setting_of(step.weight, tuple(step.values.shape), tuple(step.variable.shape)):
        return f"set `model.{key[0]}` to {key[1]}"
    if step.layer == "mrcnn_bbox_fc" and len({*numbers}) == 2 and SHARED_DELTAS in numbers:
        return (
            "one of the two has one box for all classes, as with `model.box_head` cascade or "
            "`model.class_agnostic_boxes`; set these as for the file, or use `transfer_learning`, which leaves the "
            "layer new"
        )
    if step.layer in names.TRANSFER_EXCLUDE and len(numbers) == 2:
        per_class = 4 if step.layer == "mrcnn_bbox_fc" else 1
        return (
            f"the file knows {numbers[0] // per_class} classes, the model {numbers[1] // per_class}, both with the "
            "background; `transfer_learning` leaves these layers new"
        )
    if "rpn_class_raw" in step.weight or "rpn_bbox_pred" in step.weight:
        per_anchor = 2 if "rpn_class_raw" in step.weight else 4
        return (
            f"the file has {numbers[0] // per_anchor} anchors per location, the model {numbers[1] // per_anchor}; "
            "use as many `model.anchor_aspect_ratios`"
        )
    return "build the model with the numbers that the file was trained with"


def _check_values(step: _Step, source: str) -> None:
    bad = np.count_nonzero(~np.isfinite(_read(step, source)))
    if bad:
        raise UserError(
            f"layer {step.layer}, weight {step.weight} of {source} holds {bad} values that are NaN or infinite: "
            "its training diverged, use an earlier checkpoint"
        )


def _values(step: _Step, source: str) -> np.ndarray:
    values = _read(step, source)
    return fit_input_channels(values, step.variable.shape[2]) if step.needs_fit else values


def _read(step: _Step, source: str) -> np.ndarray:
    return hdf5.read_array(step.values, where=f"layer {step.layer}, weight {step.weight} of {source}")


def _report(
    layout: hdf5.Layout,
    stored: hdf5.Datasets,
    *,
    steps: Sequence[_Step],
    source: str,
    exclude: Collection[str],
    notes: tuple[str, ...],
) -> LoadReport:
    model = {layer: [weight for weight, _ in weights] for layer, weights in layout if weights}
    return LoadReport(
        source=source,
        loaded=tuple(dict.fromkeys(step.layer for step in steps)),
        excluded=tuple(layer for layer in model if layer in exclude),
        missing=_absent(model, stored, exclude),
        left_over=_absent({layer: list(weights) for layer, weights in stored.items()}, model, exclude),
        parameters=sum(int(np.prod(tuple(step.variable.shape))) for step in steps),
        notes=notes,
    )


def _absent(
    these: Mapping[str, Sequence[str]], those: Mapping[str, Collection[str]], exclude: Collection[str]
) -> tuple[str, ...]:
    """Lists the layers of `these` that `those` lack.

    If `those` have the layer but lack some of its weights, these weights are listed as `layer/weight`.
    """
    found: list[str] = []
    for layer, weights in these.items():
        if layer in exclude:
            continue
        if layer not in those:
            found.append(layer)
        else:
            found += [_label(layer, weight) for weight in weights if weight not in those[layer]]
    return tuple(found)


def _label(layer: str, weight: str) -> str:
    weight = weight.removesuffix(":0")
    return weight if weight.startswith(f"{layer}/") else f"{layer}/{weight}"


def _count(listed: Sequence[str]) -> str:
    layers = len({name.partition("/")[0] for name in listed})
    return f"{layers} layer{'' if layers == 1 else 's'}"


def _wrong_depth(source: str, *, stored: int, wanted: int) -> str:
    return f"{source} holds a ResNet-{stored}, the model has a ResNet-{wanted}: set `model.backbone` to resnet{stored}"
