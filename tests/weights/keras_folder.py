"""Reads a folder with some layers of keras.applications' ResNet, two files per convolution.

`NAME_conv.bin` holds the kernel as (out, in, h, w), then the bias; `NAME_bn.bin` holds gamma, beta, moving mean and
moving variance; all are little-endian float32.
"""

import numpy as np

from mrcnn.weights import hdf5, keras_resnet
from tests import matterport_table


def read_folder(folder, depth):
    """Returns {layer: {kind: array}} with the names of keras.applications and Keras's order of axes."""
    shapes = {
        layer: {hdf5.kind_of(name): shape for name, shape in weights}
        for layer, weights in matterport_table.expected_table(depth, 2)
    }
    return {
        name: _split(np.fromfile(folder / f"{name}.bin", dtype="<f4"), shapes[layer])
        for layer, name in keras_resnet.keras_names(depth).items()
        if (folder / f"{name}.bin").is_file()
    }


def _split(values, shapes):
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    assert len(values) == sum(sizes)
    arrays = dict(zip(shapes, np.split(values, np.cumsum(sizes)[:-1]), strict=True))
    if "kernel" in shapes:
        height, width, inputs, outputs = shapes["kernel"]
        arrays["kernel"] = arrays["kernel"].reshape(outputs, inputs, height, width).transpose(2, 3, 1, 0)
    return arrays
