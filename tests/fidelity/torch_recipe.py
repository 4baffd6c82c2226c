"""State dicts that anybody can make again from a seed: torchvision's networks with outputs worth comparing.

The idea is that of `recipe.py`; names, arrangement and gains are those of torchvision's state dicts. Each tensor has a
generator of its own, seeded with (seed, CRC-32 of its name). Kernels are `[out, in, k, k]` and `[out, in]`, transposed
kernels `[in, out, k, k]`, as PyTorch stores them.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
MODELS = ("maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2")
KEYPOINTS = "keypointrcnn_resnet50_fpn"
HE = np.sqrt(2.0)  # keeps the variance behind a ReLU

State = dict[str, np.ndarray]  # by name
Shapes = Mapping[str, tuple[int, ...]]
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


class Model(NamedTuple):
    """What a state dict is made from, and what must come out.

    Attributes:
        seed: of all generators, with each tensor's name.
        sha256: the digest of the finished state dict.
        class_gain: of the class logits' kernel, found by trial.
        background_bias: added to the background's class logit, so that most regions are background.
        tensors: shape of each tensor by name.
    """

    seed: int
    sha256: str
    class_gain: float
    background_bias: float
    tensors: Shapes


def read_model(name: str) -> Model:
    """Reads seed, gains and shapes of one of `MODELS`."""
    content = json.loads((FIXTURES / f"{name}.json").read_text())
    tensors = {tensor: tuple(shape) for tensor, shape in content.pop("tensors").items()}
    return Model(**content, tensors=tensors)


def make_state(model: Model) -> State:
    """Draws every tensor, float32; the counters of batch norm are int64 zeros.

    Raises:
        ValueError: no rule says how to draw one of them.
    """
    rules = _rules(model)
    state: State = {}
    for name, shape in model.tensors.items():
        if name.endswith(".num_batches_tracked"):
            state[name] = np.zeros(shape, np.int64)
            continue
        draw = next((draw for pattern, draw in rules if re.fullmatch(pattern, _marked(name, model.tensors))), None)
        if draw is None:
            raise ValueError(f"no rule draws {name}")
        generator = np.random.default_rng([model.seed, zlib.crc32(name.encode())])
        state[name] = np.ascontiguousarray(draw(generator, shape), dtype=np.float32)
    return state


def digest(state: State) -> str:
    """Computes the SHA-256 of all names and values in the order of the names."""
    total = hashlib.sha256()
    for name in sorted(state):
        total.update(name.encode())
        total.update(state[name].astype(state[name].dtype.newbyteorder("<")).tobytes())
    return total.hexdigest()


def _marked(name: str, tensors: Shapes) -> str:
    """Puts `norm:` before the name of a tensor of a batch norm, which the name alone does not show."""
    owner = name.rpartition(".")[0]
    return f"norm:{name}" if f"{owner}.running_mean" in tensors else name


def _rules(model: Model) -> tuple[tuple[str, Draw], ...]:
    """Pairs patterns on names with ways to draw; the first that fits counts."""
    last_rpn = max(name for name in model.tensors if re.fullmatch(r"rpn\.head\.conv\.\d\.0\.bias", name))
    return (
        (r"norm:.*\.running_mean", _normal(0.1)),
        (r"norm:.*\.running_var", _uniform(0.8, 1.2)),
        (r"norm:.*\.bn3\.weight", _uniform(0.2, 0.3)),  # or residual sums would grow from block to block
        (r"norm:.*\.weight", _uniform(0.8, 1.2)),
        (r"norm:.*\.bias", _normal(0.1)),
        (r".*\.cls_score\.bias", _normal(0.5, first=model.background_bias)),
        (r".*\.mask_fcn_logits\.bias", _normal(0.3)),
        (re.escape(last_rpn), _normal(0.02, mean=-0.5)),  # below 0: sparse features behind the ReLU
        (r"roi_heads\.box_head\.(fc7|5)\.bias", _normal(0.02, mean=-0.5)),
        (r".*\.bias", _normal(0.02)),
        (r".*\.conv5_mask\.weight", _transposed_kernel(HE, taps=1)),
        (r".*\.kps_score_lowres\.weight", _transposed_kernel(2.0, taps=4)),
        (r"rpn\.head\.cls_logits\.weight", _kernel(1.5)),
        (r"rpn\.head\.bbox_pred\.weight", _kernel(0.5)),
        (r".*\.cls_score\.weight", _kernel(model.class_gain)),
        (r".*\.box_predictor\.bbox_pred\.weight", _kernel(1.0)),
        (r".*\.mask_fcn_logits\.weight", _kernel(2.0)),
        (r"backbone\.fpn\..*\.weight", _kernel(1.0)),  # no ReLU behind it
        (r".*\.weight", _kernel(HE)),
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
        values -= values.mean(axis=tuple(range(1, len(shape))), keepdims=True)
        return values / np.sqrt(np.prod(shape[1:])) * gain

    return draw


def _transposed_kernel(gain: float, *, taps: int) -> Draw:
    """Draws `[in, out, k, k]` of stride 2, where each output sees `taps` cells and so `taps` times `in` inputs."""

    def draw(generator, shape):
        values = generator.standard_normal(shape)
        values -= values.mean(axis=0, keepdims=True)
        return values * gain / np.sqrt(taps * shape[0])

    return draw
