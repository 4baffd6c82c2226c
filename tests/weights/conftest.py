import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from mrcnn.weights import names
from tests import matterport_table

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"


class Variable:
    """Behaves like a model's variable as far as loading and saving need it."""

    def __init__(self, values):
        self.values = np.asarray(values, dtype=np.float32)
        self.assigned = 0

    @property
    def shape(self):
        return self.values.shape

    def assign(self, values):
        assert values.shape == self.values.shape
        assert values.dtype == np.float32
        self.values = np.array(values)
        self.assigned += 1

    def numpy(self):
        return self.values


SMALL = [
    ("conv1", [("conv1/kernel:0", (7, 7, 3, 2)), ("conv1/bias:0", (2,))]),
    ("bn_conv1", [(f"bn_conv1/{kind}:0", (2,)) for kind in names.NORM_WEIGHTS]),
    (
        "rpn_model",
        [
            ("rpn_conv_shared/kernel:0", (3, 3, 2, 4)),
            ("rpn_conv_shared/bias:0", (4,)),
            ("rpn_class_raw/kernel:0", (1, 1, 4, 6)),
            ("rpn_bbox_pred/kernel:0", (1, 1, 4, 12)),
        ],
    ),
    ("mrcnn_class_conv1", [("mrcnn_class_conv1/kernel:0", (7, 7, 2, 4)), ("mrcnn_class_conv1/bias:0", (4,))]),
    ("mrcnn_bbox_fc", [("mrcnn_bbox_fc/kernel:0", (4, 20))]),
    ("mrcnn_class_logits", [("mrcnn_class_logits/kernel:0", (4, 5))]),
]


@pytest.fixture
def make_layout():
    """Makes a small model's layout with seeded values; `shapes` replaces some, None removes that layer."""

    def make(seed=0, **shapes):
        generator = np.random.default_rng(seed)
        layout = []
        for layer, weights in SMALL:
            changed = shapes.get(layer, weights)
            if changed is None:
                continue
            layout.append((layer, [(name, Variable(generator.normal(size=shape))) for name, shape in changed]))
        return layout

    return make


@pytest.fixture
def make_skeleton():
    """Makes a whole model's layout in which every weight has one element, or another shape by `shapes`."""

    def make(depth, **shapes):
        return [
            (
                layer,
                [
                    (weight, Variable(np.ones(shapes.get(weight.removesuffix(":0").replace("/", "_"), (1,)))))
                    for weight, _ in weights
                ],
            )
            for layer, weights in matterport_table.expected_table(depth, 2)
        ]

    return make


@pytest.fixture
def values_of():
    """Returns {weight: array} of a layout."""
    return lambda layout: {name: variable.values for _, weights in layout for name, variable in weights}


@pytest.fixture
def reference_table():
    """Reads a table of tests/fixtures as [(layer, [(weight, shape)])]."""

    def read(name):
        table = json.loads((FIXTURES / name).read_text())["layers"]
        return [
            (
                layer,
                [
                    (f"{'' if layer == 'rpn_model' else layer + '/'}{weight}:0", tuple(shape))
                    for weight, shape in weights.items()
                ],
            )
            for layer, weights in table
        ]

    return read


@pytest.fixture
def write_by_hand():
    """Writes groups {group: {weight: array}} as Keras 2 does; the attributes' form is the caller's."""

    def write(
        path, groups, *, as_names=lambda items: np.array([item.encode() for item in items], dtype="S40"), under=""
    ):
        with h5py.File(path, "w") as handle:
            root = handle.create_group(under) if under else handle
            root.attrs["layer_names"] = as_names(list(groups))
            root.attrs["keras_version"] = b"2.0.8"
            root.attrs["backend"] = b"tensorflow"
            for group, weights in groups.items():
                made = root.create_group(group)
                made.attrs["weight_names"] = as_names(list(weights)) if weights else []
                for name, values in weights.items():
                    made.create_dataset(name, data=values)
        return path

    return write
