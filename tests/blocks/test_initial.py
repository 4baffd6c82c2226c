import numpy as np
import pytest

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.models.families.matterport import build_layers


def kernels(**settings):
    """The first kernels of the layers that training starts anew, from a head of 64 channels and three classes."""
    sizes = {"backbone": "resnet50", "fpn_channels": 64, "box_fc_channels": 256}
    parts = build_layers(MatterportConfig(**sizes, **settings), num_classes=3, feature_dtype="float32")
    parts.neck.build([(None, None, None, channels) for channels in (256, 512, 1024, 2048)])
    box, mask = parts.box.network, parts.heads["mask"].network
    box.build((None, 7, 7, 64))
    mask.build((None, 14, 14, 64))
    layers = {
        "lateral": parts.neck.lateral[0].conv,
        "smooth": parts.neck.smooth[0].conv,
        "smooth 2": parts.neck.smooth[1].conv,
        "first": box.first.conv,
        "second": box.second.conv,
        "classes": box.class_logits,
        "deltas": box.box_deltas,
        "masks": mask.logits,
    }
    return {name: np.asarray(layer.kernel) for name, layer in layers.items()}


@pytest.mark.parametrize(
    ("given", "stddev"),
    [
        # balanced: sqrt(1 / inputs) in the pyramid and for masks, sqrt(1 / (3 inputs)) in the box head
        (
            {},
            {
                "lateral": (1 / 256) ** 0.5,
                "smooth": (1 / (9 * 64)) ** 0.5,
                "first": (1 / (3 * 49 * 64)) ** 0.5,
                "second": (1 / (3 * 256)) ** 0.5,
                "classes": (1 / (3 * 256)) ** 0.5,
                "deltas": (1 / (3 * 256)) ** 0.5,
                "masks": (1 / 256) ** 0.5,
            },
        ),
        # he: sqrt(2 / inputs), and Matterport's outputs
        (
            {"compatibility": "matterport"},
            {
                "lateral": (2 / 256) ** 0.5,
                "smooth": (2 / (9 * 64)) ** 0.5,
                "first": (2 / (49 * 64)) ** 0.5,
                "second": (2 / 256) ** 0.5,
                "classes": 0.01,
                "deltas": 0.001,
                "masks": 0.001,
            },
        ),
    ],
)
def test_initial_values_spread_of_the_first_values(given, stddev):
    got = kernels(**given)
    for name, expected in stddev.items():
        assert got[name].std() == pytest.approx(expected, rel=0.1), name  # 768 values at least: 3 % of a deviation


def test_initial_values_bounds_of_the_box_head():
    first = kernels()["first"]
    bound = (1 / (49 * 64)) ** 0.5
    assert 0.99 * bound < np.abs(first).max() <= bound


def test_initial_values_no_two_layers_start_alike():
    got = kernels()
    assert not np.allclose(got["smooth"], got["smooth 2"])


def test_initial_values_the_setting_alone_brings_the_older_values():
    assert kernels(initial_values="he")["deltas"].std() == pytest.approx(0.001, rel=0.1)
