"""Mistakes that are easy to make when torchvision's network is written anew, and which stage notices each.

    python -m tests.fidelity.torch_faults

Most faults are a setting at a value that torchvision does not have; the others change what reads the weights, or the
model itself.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import tensorflow as tf
from keras import ops

from mrcnn.heads.box import decode
from mrcnn.weights.maps import entries
from tests.fidelity import torch_stages as stages
from tests.fidelity.torch_recipe import MODELS
from tests.fidelity.torch_session import TorchSession, open_session, write_weights
from tests.fidelity.torch_stages import Stage

FIRST, SECOND = MODELS
OTHER_DELTA_ORDER = [1, 0, 3, 2]


class Fault(NamedTuple):
    """A mistake and the first stage that must notice it.

    Attributes:
        name: what is wrong.
        noticed_by: the stage.
        settings: of the model, in which it differs from torchvision's.
        loading: is in force while the model is built and its weights are read.
        change: makes a finished model wrong for as long as the context lasts.
        model: one of `MODELS`, whose results show it.
    """

    name: str
    noticed_by: Stage
    settings: Mapping[str, Any] = {}
    loading: Callable[[], AbstractContextManager[Any]] = nullcontext
    change: Callable[[Any], AbstractContextManager[Any]] = nullcontext
    model: str = FIRST


def _as_kind(kind: str, other: str) -> Callable[[], AbstractContextManager[Any]]:
    """Reads the tensors of one kind as if they were of another."""
    return lambda: mock.patch.dict(entries.KINDS, {kind: entries.KINDS[other]})


def _channels_last_regions() -> AbstractContextManager[Any]:
    """Reads the box head's first layer as if its inputs were flattened with the channels last."""
    return mock.patch.object(
        entries, "_regions_to_kernel", lambda values, *, channels: values.T.reshape(7, 7, channels, len(values))
    )


def sigmoid_scores(_: Any) -> AbstractContextManager[Any]:
    """Scores each class by a sigmoid of its own logit."""
    return mock.patch.object(decode.ops, "softmax", lambda logits, axis: ops.sigmoid(logits))


def black_padding(model: Any) -> AbstractContextManager[Any]:
    """Subtracts the mean from the padding too."""
    return mock.patch.object(model, "numbers", model.numbers._replace(padding="black"))


def other_mean_order(model: Any) -> AbstractContextManager[Any]:
    """Subtracts blue's mean from red."""
    return mock.patch.object(model, "numbers", model.numbers._replace(image_mean=model.numbers.image_mean[::-1]))


def pooled_at_the_end(model: Any) -> AbstractContextManager[Any]:
    """Pads the stem's pooling at the end alone, as TensorFlow does."""
    return mock.patch.object(model.backbone, "pool_padding", "same")


def fixed_strides(model: Any) -> AbstractContextManager[Any]:
    """Places the anchors by powers of two instead of the quotients of input and map."""
    return mock.patch.object(model.rpn.anchors, "strides", (4, 8, 16, 32, 64))


def clipped_to_the_input(model: Any) -> AbstractContextManager[Any]:
    """Lets proposals reach into the padding."""
    return mock.patch.object(model.rpn, "clip_to_windows", False)


def transposed_deltas(model: Any) -> AbstractContextManager[Any]:
    """Reads the RPN's deltas as (dx, dy, dw, dh)."""
    original = model.rpn.network.call

    def transposed(*args, **kwargs):
        logits, deltas = original(*args, **kwargs)
        return logits, tf.gather(deltas, OTHER_DELTA_ORDER, axis=-1)

    return mock.patch.object(model.rpn.network, "call", transposed)


FAULTS = (
    Fault("channels in the order BGR", stages.preprocessing, {"image_order": "bgr"}),
    Fault("mean in the order BGR", stages.preprocessing, change=other_mean_order),
    Fault("mean subtracted from the padding", stages.preprocessing, change=black_padding),
    Fault("image in the middle of the padding", stages.preprocessing, {"image_fit": "centred"}),
    Fault("image smoothed", stages.preprocessing, {"image_resize": "smoothed"}),
    Fault("half sides of anchors not rounded", stages.anchors, {"anchor_rounding": False}),
    Fault("aspect ratios in ascending order", stages.anchors, {"anchor_aspect_ratios": (0.5, 1.0, 2.0)}),
    Fault("anchors in the middles of cells", stages.anchors, {"anchor_offset": 0.5}),
    Fault("anchors' strides as powers of two", stages.anchors, change=fixed_strides),
    Fault("RPN's deltas (dx, dy)", stages.rpn_from_stored_map, change=transposed_deltas),
    Fault("box head's features flattened last", stages.box_head_from_stored_regions, loading=_channels_last_regions),
    Fault("background as the last class", stages.box_head_from_stored_regions, loading=_as_kind("dense", "dense_last")),
    Fault("mask pasted without a border", stages.unmolding_from_stored_logits, {"mask_paste": "bilinear"}),
    Fault("stride in the first 1x1 convolution", stages.features, {"stride_in": "1x1"}),
    Fault("batch norm with epsilon 1e-3", stages.features, {"norm_epsilon": 1e-3}),
    Fault("pooling padded at the end", stages.features, change=pooled_at_the_end),
    Fault("proposals clipped to the whole input", stages.proposals, change=clipped_to_the_input, model=SECOND),
    Fault("RoIAlign half a pixel off", stages.regions, {"roi_align": "aligned"}),
    Fault("one sample for each cell of a region", stages.regions, {"roi_sampling_ratio": 1}),
    Fault("sigmoid instead of softmax", stages.detections, change=sigmoid_scores),
)


@contextmanager
def wrong_session(fault: Fault, weights: Mapping[str, Path]) -> Iterator[TorchSession]:
    """Builds a session with the fault; `weights` are the files by model."""
    with fault.loading():
        session = open_session(fault.model, weights[fault.model], fault.settings)
    with fault.change(session.model):
        yield session


def noticing(session: TorchSession) -> Iterator[Stage]:
    """Yields the stages, in order, in which a comparison fails."""
    for stage in stages.STAGES:
        if not all(result.passed for result in stage(session)):
            yield stage


def main() -> None:
    """Prints each fault and every stage that notices it."""
    print("| fault | noticed by |\n| --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        weights = {model: write_weights(model, Path(folder)) for model in MODELS}
        for fault in FAULTS:
            with wrong_session(fault, weights) as session:
                print(f"| {fault.name} | {', '.join(stage.__name__ for stage in noticing(session))} |", flush=True)


if __name__ == "__main__":
    main()
