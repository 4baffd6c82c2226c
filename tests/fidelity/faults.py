"""Mistakes that are easy to make when this network is written anew, and which stage notices each.

    python -m tests.fidelity.faults

A comparison is worth as much as what it catches. Some faults change a model in place; the others are a setting of
`MatterportConfig` at a value that Matterport did not have.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import tensorflow as tf

from mrcnn.blocks import norm
from mrcnn.heads.rpn import targets
from mrcnn.models.families.matterport import Matterport
from mrcnn.models.layout import named_layers
from mrcnn.ops import box_coding, roi_align
from tests.fidelity import inference_stages as inference
from tests.fidelity import training_stages as training
from tests.fidelity.inference_stages import Stage
from tests.fidelity.report import open_session
from tests.fidelity.session import Session, build_model

OTHER_CLASS_ORDER = (0, 2, 1, 3, 4)
OTHER_DELTA_ORDER = (1, 0, 2, 3)


class Fault(NamedTuple):
    """A mistake and the first stage, of detection or of training, that must notice it.

    Attributes:
        name: what is wrong.
        noticed_by: the stage.
        settings: of `MatterportConfig`, in which a model differs from Matterport's.
        change: makes a model wrong for as long as the context lasts; None leaves it to the settings.
    """

    name: str
    noticed_by: Stage
    settings: Mapping[str, Any]
    change: Callable[[Matterport], AbstractContextManager[Any]] | None = None


@contextmanager
def stride_in_3x3(model: Matterport) -> Iterator[None]:
    """Moves the stride of a stage's first block from its first 1x1 to its 3x3 convolution, as later ResNets have it."""
    with ExitStack() as stack:
        for stage in model.backbone.stages:
            first, middle = stage[0].reduce.conv, stage[0].convolve.conv
            stack.enter_context(mock.patch.multiple(middle, strides=first.strides))
            stack.enter_context(mock.patch.multiple(first, strides=1))
        yield


@contextmanager
def other_epsilon(model: Matterport) -> Iterator[None]:
    """Normalises with PyTorch's epsilon."""
    norms = [layer for layer in named_layers(model).values() if isinstance(layer, norm.BatchNorm)]
    with ExitStack() as stack:
        for layer in norms:
            stack.enter_context(mock.patch.object(layer, "epsilon", 1e-5))
        yield


def shifted_regions(_: Matterport) -> AbstractContextManager[Any]:
    """Cuts regions out half a pixel of the model input too high and too far left."""
    original = roi_align.roi_align

    def shifted(features, boxes, *args, **kwargs):
        return original(features, boxes - 0.5, *args, **kwargs)

    return mock.patch.object(roi_align, "roi_align", shifted)


def transposed_deltas(_: Matterport) -> AbstractContextManager[Any]:
    """Reads and writes deltas as (dx, dy, dh, dw)."""
    encode, decode = box_coding.encode_boxes, box_coding.decode_boxes

    def encode_transposed(*args, **kwargs):
        return tf.gather(encode(*args, **kwargs), OTHER_DELTA_ORDER, axis=-1)

    def decode_transposed(deltas, *args, **kwargs):
        return decode(tf.gather(deltas, OTHER_DELTA_ORDER, axis=-1), *args, **kwargs)

    return mock.patch.multiple(box_coding, encode_boxes=encode_transposed, decode_boxes=decode_transposed)


def crowds_as_background(_: Matterport) -> AbstractContextManager[Any]:
    """Lets no region to ignore protect what overlaps it."""
    return mock.patch.object(targets, "IGNORE_IOU", 2.0)


def unordered_classes(model: Matterport) -> AbstractContextManager[Any]:
    """Exchanges two classes of the box head's outputs."""
    original = model.box.network.call

    def unordered(*args, **kwargs):
        return tuple(tf.gather(output, OTHER_CLASS_ORDER, axis=1) for output in original(*args, **kwargs))

    return mock.patch.object(model.box.network, "call", unordered)


def _setting(noticed_by: Stage, **settings: Any) -> Fault:
    return Fault(", ".join(f"{name} {value}" for name, value in settings.items()), noticed_by, settings)


def _change(name: str, noticed_by: Stage, change: Callable[[Matterport], AbstractContextManager[Any]]) -> Fault:
    return Fault(name, noticed_by, {}, change)


FAULTS = (
    _change("stride in the 3x3 convolution", inference.features, stride_in_3x3),
    _change("batch norm with epsilon 1e-5", inference.features, other_epsilon),
    _change("RoIAlign half a pixel off", inference.regions_for_boxes, shifted_regions),
    _change("deltas (dx, dy)", inference.proposals, transposed_deltas),
    _change("crowds as background", training.anchor_matching, crowds_as_background),
    _change("two classes exchanged", inference.box_head_from_stored_regions, unordered_classes),
    _setting(inference.preprocessing, image_resize="exact"),
    _setting(inference.anchors, anchor_offset=0.5),
    _setting(inference.proposals, box_normalization="pixels"),
    _setting(inference.levels_of_regions, roi_align="aligned", roi_sampling_ratio=1),
    _setting(inference.unmolding, mask_paste="bilinear"),
    _setting(inference.unmolding, round_boxes="never"),
    _setting(training.roi_sampling, roi_add_gt_boxes=True),
    _setting(training.roi_sampling, roi_negatives="fill"),
    _setting(training.mask_targets, mask_targets="cells"),
    _setting(training.outputs, pre_nms_topk_scope="level", pre_nms_topk=2000),
    _setting(training.losses_from_stored_outputs, count_unused_rois=False),
    _setting(training.gradients, detach_targets=True),
)


@contextmanager
def wrong_session(fault: Fault, session: Session, weights_file: Path) -> Iterator[Session]:
    """Builds a session with the fault: with the model of a right one, or with one built anew for other settings."""
    if fault.change is None:
        yield Session(build_model(weights_file, **fault.settings))
        return
    with fault.change(session.model):
        yield Session(session.model)


def noticing(session: Session, stages: tuple[Stage, ...]) -> Iterator[Stage]:
    """Yields the stages, in order, in which a comparison fails."""
    for stage in stages:
        if not all(result.passed for result in stage(session)):
            yield stage


def main() -> None:
    """Prints each fault and every stage that notices it."""
    print("| fault | noticed by |\n| --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.h5"
        right = open_session(path)
        for fault in FAULTS:
            with wrong_session(fault, right, path) as session:
                stages = noticing(session, (*inference.STAGES, *training.STAGES))
                print(f"| {fault.name} | {', '.join(stage.__name__ for stage in stages)} |", flush=True)


if __name__ == "__main__":
    main()
