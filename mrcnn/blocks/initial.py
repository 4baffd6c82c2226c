"""The first values of the layers that no weight file brings: the pyramid and the heads.

`he` keeps the variance of a signal where a ReLU follows, and uses that everywhere. The pyramid has no ReLU, so there
the variance doubles in each layer; the box head's signal becomes large, and the first class losses are unsteady. The
outputs for boxes and masks start at almost 0, so the layers before them learn little at first. `balanced` keeps the
variance in the pyramid, makes the box head's signal smaller, and lets the outputs for boxes and masks start about as
large as their inputs.
Source: `he` is Matterport's with He et al. (2015) where that took Glorot's; `balanced` takes LeCun et al. (1998) for
the pyramid and torchvision's bounds of 1 / sqrt(inputs) for the box head.
"""

from typing import Any, NamedTuple

Initializer = str | dict[str, Any]  # what `keras.initializers.get` makes a new initializer from


class InitialValues(NamedTuple):
    """An initializer for each kind of layer."""

    pyramid: Initializer
    fully_connected: Initializer
    class_logits: Initializer
    box_deltas: Initializer
    mask_logits: Initializer


def _normal(stddev: float) -> Initializer:
    return {"class_name": "RandomNormal", "config": {"stddev": stddev}}


# a uniform number up to 1 / sqrt(inputs) has the variance 1 / (3 inputs)
_BOUNDED: Initializer = {
    "class_name": "VarianceScaling",
    "config": {"scale": 1 / 3, "mode": "fan_in", "distribution": "uniform"},
}
INITIAL_VALUES = {
    "he": InitialValues("he_normal", "he_normal", _normal(0.01), _normal(0.001), _normal(0.001)),
    "balanced": InitialValues("lecun_uniform", _BOUNDED, _BOUNDED, _BOUNDED, "lecun_normal"),
}
