"""A real model against Matterport's table of layers, through a file and back."""

import numpy as np
import pytest

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.models import build
from mrcnn.weights import apply, hdf5
from tests import matterport_table

CASES = [
    ("resnet50", 5, "matterport_r50_k5.json"),
    pytest.param(("resnet101", 81, "matterport_r101_k81.json"), marks=pytest.mark.slow),
]


def make_model(backbone, num_classes, **numbers):
    return build.build_model(MatterportConfig(backbone=backbone, **numbers), num_classes=num_classes)


def table_of(layout):
    return [(layer, [(name, tuple(variable.shape)) for name, variable in weights]) for layer, weights in layout]


def variables_of(layout):
    return [variable for _, weights in layout for _, variable in weights]


@pytest.fixture(params=CASES, ids=lambda case: case[0])
def case(request):
    """A model of Matterport's numbers and its table in tests/fixtures."""
    backbone, num_classes, table = request.param
    return make_model(backbone, num_classes, compatibility="matterport"), table


def test_weight_layout_is_matterports_and_survives_a_file(tmp_path, reference_table, case):
    model, table = case
    layout = model.weight_layout()
    assert table_of(layout) == reference_table(table)
    generator = np.random.default_rng(0)
    expected = [generator.random(variable.shape, dtype=np.float32) for variable in variables_of(layout)]
    for variable, values in zip(variables_of(layout), expected, strict=True):
        variable.assign(values)
    hdf5.write_file(tmp_path / "model.h5", layout)
    for variable in variables_of(layout):
        variable.assign(np.zeros(variable.shape, dtype=np.float32))
    report = apply.load_into(layout, tmp_path / "model.h5")
    apply.require_backbone(report)
    assert len(report.loaded) == len(layout)
    assert report.missing == report.left_over == ()
    found = [variable.numpy() for variable in variables_of(layout)]
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.slow
def test_expected_table_follows_the_models_settings():
    numbers = {"fpn_channels": 32, "rpn_channels": 16, "box_fc_channels": 64, "channels": 4}
    model = make_model("resnet50", 3, anchor_aspect_ratios=(1.0, 2.0), image_mean=(0, 0, 0, 0), **numbers)
    assert table_of(model.weight_layout()) == matterport_table.expected_table(50, 3, anchors_per_location=2, **numbers)
