"""Counts the parameters and operations of each mask head and times it on this machine.

    python -m benchmarks.mask_heads
    python -m benchmarks.mask_heads --regions 16 --head fcn hourglass20

Sizes are the published ones: features of 14 x 14 cells for `fcn` and `pointrend`, of 32 x 32 for the hourglasses, with
256 channels. `pointrend` refines its masks to 224 x 224 cells.
TensorFlow's profiler counts the operations of convolutions and matrix products, two for each multiplication with its
addition. Times are those of a forward pass without the sampling of the features, the median of `--runs`.
"""

import argparse
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from benchmarks import timing
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.heads.mask import uncertain
from mrcnn.heads.mask.hourglass import HOURGLASSES
from mrcnn.heads.mask.pointrend import PointRendNetwork
from mrcnn.models.families.matterport import build_layers

HEADS = ("fcn", *HOURGLASSES, "pointrend")
CHANNELS = 256  # of the feature pyramid


class Cost(NamedTuple):
    """Cost of one mask head.

    Attributes:
        head: value of `model.mask_head`.
        side: of a predicted mask, cells.
        parameters: weights that train, in millions.
        gflop: operations of one region's forward pass, in 10^9.
        seconds: of a forward pass of one region.
    """

    head: str
    side: int
    parameters: float
    gflop: float
    seconds: float


def measure(head: str, *, regions: int, runs: int) -> Cost:
    """Measures a mask head.

    Args:
        head: value of `model.mask_head`.
        regions: regions of the timed pass.
        runs: number of timed passes.
    """
    config = MatterportConfig(mask_head=head, class_agnostic_masks=True)
    network = build_layers(config, num_classes=2, feature_dtype="float32").heads["mask"].network
    side = config.mask_pool_size
    network.build((None, side, side, CHANNELS))
    parameters = sum(np.prod(weight.shape) for weight in network.trainable_weights) / 1e6
    function = tf.function(lambda features: _forward(network, features, config.mask_size))
    features = tf.random.normal((regions, side, side, CHANNELS), seed=0)
    function(features)
    taken = timing.seconds(lambda: function(features).numpy(), runs)
    seconds = statistics.median(taken) / regions
    return Cost(head, config.mask_size, float(parameters), operations(network, side, config.mask_size) / 1e9, seconds)


def operations(network: tf.Module, side: int, size: int) -> int:
    """Counts the operations of one region's forward pass.

    Args:
        network: a mask network.
        side: of the region's features, cells.
        size: side of a predicted mask, cells.
    """
    spec = tf.TensorSpec((1, side, side, CHANNELS))
    graph = tf.function(lambda features: _forward(network, features, size)).get_concrete_function(spec).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder(
        tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    ).with_empty_output()
    found = tf.compat.v1.profiler.profile(graph, options=options.build())
    return int(found.total_float_ops)


def _forward(network: tf.Module, features: tf.Tensor, size: int) -> tf.Tensor:
    """Predicts masks from regions' features; PointRend's fine features are copies of one of a region's own."""
    masks = network(features)
    if not isinstance(network, PointRendNetwork):
        return masks

    def predict(places: tf.Tensor) -> tf.Tensor:
        fine = tf.repeat(features[:, 0, :1], places.shape[1], axis=1)
        return network.at(fine, masks, places)[..., 0]

    return uncertain.subdivide(predict, features.shape[0], start=2 * features.shape[1], size=size)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a row for each mask head."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--head", nargs="+", choices=HEADS, default=HEADS)
    parser.add_argument("--regions", type=int, default=8, help="of the timed pass (8)")
    parser.add_argument("--runs", type=int, default=3, help="timed passes (3)")
    options = parser.parse_args(arguments)
    print(f"{'head':<14}{'mask':>6}{'10^6 weights':>14}{'GFLOP a region':>16}{'ms a region':>13}")
    for head in options.head:
        cost = measure(head, regions=options.regions, runs=options.runs)
        print(
            f"{cost.head:<14}{cost.side:>6}{cost.parameters:>14.2f}{cost.gflop:>16.2f}{1e3 * cost.seconds:>13.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
