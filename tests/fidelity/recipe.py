"""Weights that anybody can make again from a seed: a network of Matterport's shape whose outputs are worth comparing.

A ResNet with plain random weights gives the same features everywhere, and a comparison of constants proves little. So
kernels have no mean over their inputs, residual branches are quiet, and the output layers have gains found by trial,
which spread proposals and detections over image, classes and scores.

Each tensor has a generator of its own, seeded with (seed, CRC-32 of its path in the file), so that its values depend on
nothing but its name. A path is `layer/owner/kind:0`, e.g. `rpn_model/rpn_conv_shared/kernel:0`; the owner is the layer
that computes with it.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

TESTS = Path(__file__).resolve().parents[1]
SHAPES = TESTS / "fixtures" / "matterport_r50_k5.json"
CONSTANTS = TESTS / "data" / "matterport_r50_k5.json"
KERAS_VERSION = "2.0.8"  # as the files of Matterport's release say
HE = np.sqrt(2.0)  # keeps the variance behind a ReLU
INPUT_SPREAD = 64.0  # conv1 sees pixels minus a mean, about this far from 0

Weights = dict[str, np.ndarray]  # by path
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


class Constants(NamedTuple):
    """What was found by trial, and what must come out.

    Attributes:
        seed: of all generators, with each tensor's path.
        sha256: the digest of the finished weights.
        gains: of the output layers' kernels.
        background_bias: added to the background's class logit, so that most regions are background.
    """

    seed: int
    sha256: str
    gains: Mapping[str, float]
    background_bias: float


def read_constants() -> Constants:
    """Reads the numbers beside the stored arrays."""
    content = json.loads(CONSTANTS.read_text())
    return Constants(**{name: content[name] for name in Constants._fields})


def read_shapes() -> dict[str, tuple[int, ...]]:
    """Lists every tensor's path and shape, layer by layer."""
    layers = json.loads(SHAPES.read_text())["layers"]
    return {
        f"{layer}/{weight if '/' in weight else f'{layer}/{weight}'}:0": tuple(shape)
        for layer, weights in layers
        for weight, shape in weights.items()
    }


def make_weights(shapes: Mapping[str, tuple[int, ...]], constants: Constants) -> Weights:
    """Draws every tensor, float32.

    Raises:
        ValueError: no rule says how to draw one of them.
    """
    rules = _rules(constants)
    weights = {}
    for path, shape in shapes.items():
        owner_and_kind = path.removesuffix(":0").split("/", 1)[1]
        draw = next((draw for pattern, draw in rules if re.fullmatch(pattern, owner_and_kind)), None)
        if draw is None:
            raise ValueError(f"no rule draws {path}")
        generator = np.random.default_rng([constants.seed, zlib.crc32(path.encode())])
        weights[path] = np.ascontiguousarray(draw(generator, shape), dtype=np.float32)
    return weights


def digest(weights: Weights) -> str:
    """Computes the SHA-256 of all paths and values, layer by layer in the order of their names."""
    total = hashlib.sha256()
    for path in sorted(weights, key=lambda path: path.split("/", 1)):
        total.update(path.encode())
        total.update(weights[path].astype("<f4").tobytes())
    return total.hexdigest()


def write_h5(path: Path, weights: Weights) -> None:
    """Writes the weights as Keras 2.0 did: names are byte strings of fixed length, `rpn_model` is one group."""
    layers: dict[str, list[str]] = {}
    for weight in weights:
        layer, name = weight.split("/", 1)
        layers.setdefault(layer, []).append(name)
    with h5py.File(path, "w") as handle:
        handle.attrs["layer_names"] = np.array(list(layers), dtype="S")
        handle.attrs["backend"] = np.bytes_("tensorflow")
        handle.attrs["keras_version"] = np.bytes_(KERAS_VERSION)
        for layer, names in layers.items():
            group = handle.create_group(layer)
            group.attrs["weight_names"] = np.array(names, dtype="S")
            for name in names:
                group[name] = weights[f"{layer}/{name}"]


def _rules(constants: Constants) -> tuple[tuple[str, Draw], ...]:
    """Pairs patterns on `owner/kind` with ways to draw; the first that fits counts."""
    outputs = tuple((f"{owner}/kernel", _kernel(gain)) for owner, gain in constants.gains.items())
    return (
        (r"bn.*_branch2c/gamma", _uniform(0.2, 0.3)),  # or residual sums would grow from block to block
        (r".*/gamma", _uniform(0.8, 1.2)),
        (r".*/moving_variance", _uniform(0.8, 1.2)),
        (r".*/moving_mean", _normal(0.1)),
        (r"mrcnn_class_bn2/beta", _normal(0.1, mean=-0.5)),  # below 0: sparse features behind the ReLU
        (r".*/beta", _normal(0.1)),
        (r"mrcnn_class_logits/bias", _normal(0.5, first=constants.background_bias)),
        (r"mrcnn_mask/bias", _normal(0.3)),
        (r"rpn_conv_shared/bias", _normal(0.02, mean=-0.5)),
        (r".*/bias", _normal(0.02)),
        *outputs,
        (r"conv1/kernel", _kernel(HE / INPUT_SPREAD)),
        (r"fpn_.*/kernel", _kernel(1.0)),  # no ReLU behind it
        (r"mrcnn_mask_deconv/kernel", _transposed_kernel),
        (r".*/kernel", _kernel(HE)),
    )


def _uniform(low: float, high: float) -> Draw:
    return lambda generator, shape: generator.uniform(low, high, shape)


def _normal(deviation: float, *, mean: float = 0.0, first: float = 0.0) -> Draw:
    """Draws around `mean`, with `first` added to the first value."""

    def draw(generator, shape):
        values = deviation * generator.standard_normal(shape) + mean
        values[0] += first
        return values

    return draw


def _kernel(gain: float) -> Draw:
    """Draws with a standard deviation of gain / root of the inputs, then without a mean over the inputs."""

    def draw(generator, shape):
        values = generator.standard_normal(shape)
        values -= values.mean(axis=tuple(range(len(shape) - 1)), keepdims=True)
        return values / np.sqrt(np.prod(shape[:-1])) * gain

    return draw


def _transposed_kernel(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draws `[2, 2, out, in]` of stride 2, where each output sees one tap and so `in` inputs."""
    values = generator.standard_normal(shape)
    values -= values.mean(axis=3, keepdims=True)
    return values * np.sqrt(2.0 / shape[3])
