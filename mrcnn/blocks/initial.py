"""Initial values of the layers without pretrained weights: the pyramid and the heads.

`he` uses He's rule, which keeps a signal's variance where a ReLU follows, in the pyramid too. The pyramid has no ReLU,
so there the variance doubles in each layer; the box head's signal becomes large, and the first class losses are
unsteady. The outputs for boxes and masks start at almost 0, so the layers before them learn little at first.
`balanced` keeps the variance in the pyramid, makes the box head's signal smaller, and starts the outputs for boxes and
masks at about the size of their inputs.
Source: `he` is Matterport's, with He et al. (2015) in place of Glorot's rule; `balanced` uses LeCun et al. (1998) for
the pyramid and torchvision's bounds of 1 / sqrt(inputs) for the box head.
"""

from typing import Any, NamedTuple

Initializer = str | dict[str, Any]  # argument of `keras.initializers.get`, which builds a new initializer from it


class InitialValues(NamedTuple):
    """The initializer of each kind of layer."""

    pyramid: Initializer
    fully_connected: Initializer
    class_logits: Initializer
    box_deltas: Initializer
    mask_logits: Initializer


def _normal(stddev: float) -> Initializer:
    return {"class_name": "RandomNormal", "config": {"stddev": stddev}}


# a uniform distribution between -1 / sqrt(inputs) and 1 / sqrt(inputs) has the variance 1 / (3 inputs)
_BOUNDED: Initializer = {
    "class_name": "VarianceScaling",
    "config": {"scale": 1 / 3, "mode": "fan_in", "distribution": "uniform"},
}
INITIAL_VALUES = {
    "he": InitialValues("he_normal", "he_normal", _normal(0.01), _normal(0.001), _normal(0.001)),
    "balanced": InitialValues("lecun_uniform", _BOUNDED, _BOUNDED, _BOUNDED, "lecun_normal"),
}
