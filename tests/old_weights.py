"""Weight files as older code wrote them, made by hand: a whole Mask R-CNN in little space."""

import h5py
import numpy as np

from tests import matterport_table

LARGE = 28  # sides from here on do not matter to what a file tells, and become 1


class Variable:
    """Behaves like a model's variable as far as loading needs it."""

    trainable = True

    def __init__(self, values):
        self.values = np.asarray(values, dtype=np.float32)

    @property
    def shape(self):
        return self.values.shape

    def assign(self, values):
        assert values.shape == self.values.shape
        self.values = np.array(values)

    def numpy(self):
        return self.values


def make_layout(depth=50, num_classes=4, *, seed=0, **numbers):
    """Makes the layout of a whole model with seeded values; large sides are 1."""
    random = np.random.default_rng(seed)
    return [
        (layer, [(name, Variable(random.normal(size=_small(shape)))) for name, shape in weights])
        for layer, weights in matterport_table.expected_table(depth, num_classes, **numbers)
    ]


def values_of(layout):
    """Returns {layer: {weight: array}} of a layout."""
    return {layer: {name: variable.values for name, variable in weights} for layer, weights in layout}


def as_bytes(items):
    """Writes names as Keras 2 under Python 2 and 3 did."""
    return [item.encode() for item in items]


def write_file(path, groups, *, as_names=as_bytes, under="", version="2.0.8"):
    """Writes {group: {weight: array}}; `as_names` gives the attributes' form, `under` the group of a full model."""
    with h5py.File(path, "w") as handle:
        root = handle.create_group(under) if under else handle
        root.attrs["layer_names"] = as_names(list(groups))
        root.attrs["backend"] = as_names(["tensorflow"])[0]
        root.attrs["keras_version"] = as_names([version])[0]
        for group, weights in groups.items():
            made = root.create_group(group)
            made.attrs["weight_names"] = as_names(list(weights)) if weights else []
            for name, values in weights.items():
                made.create_dataset(name, data=np.float32(values))
    return path


def write_skeleton(path, depth=50, *, drop=(), **shapes):
    """Writes a whole old model of one number for each weight, but for those of `shapes`, named layer_kind."""
    shapes = {
        "conv1_kernel": (7, 7, 3, 1), "fpn_c5p5_kernel": (1, 1, 1, 256), "rpn_conv_shared_kernel": (3, 3, 1, 512),
        "rpn_class_raw_kernel": (1, 1, 1, 6), "mrcnn_class_conv1_kernel": (7, 7, 1, 1024),
        "mrcnn_class_logits_kernel": (1, 3), **shapes,
    }  # fmt: skip
    groups = {
        layer: {name: np.ones(shapes.get(name.removesuffix(":0").replace("/", "_"), ())) for name, _ in weights}
        for layer, weights in matterport_table.expected_table(depth, 3)
        if layer not in drop
    }
    return write_file(path, groups)


def _small(shape):
    return tuple(1 if side >= LARGE else side for side in shape)


def write_network(path, depth, num_classes, *, seed=0, **sizes):
    """Writes a whole old network that finds objects: He-normal kernels, weak residual branches, small box shifts."""
    random = np.random.default_rng(seed)

    def values(name, shape):
        layer, kind = name.removesuffix(":0").split("/")
        if kind == "kernel":
            factor = {"conv1": 1 / 64, "rpn_bbox_pred": 0.01, "mrcnn_bbox_fc": 0.01, "mrcnn_class_logits": 0.1}
            return factor.get(layer, 1) * random.normal(scale=np.sqrt(2 / np.prod(shape[:-1])), size=shape)
        if layer == "mrcnn_class_logits":
            return np.where(np.arange(num_classes) > 0, 0, -9)  # the background never wins
        if kind == "gamma" and layer.endswith("branch2c"):
            return np.full(shape, 0.1)
        return np.full(shape, float(kind in ("gamma", "moving_variance")))

    table = matterport_table.expected_table(depth, num_classes, **sizes)
    return write_file(path, {layer: {name: values(name, shape) for name, shape in weights} for layer, weights in table})
