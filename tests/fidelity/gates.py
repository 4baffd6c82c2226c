"""How far our numbers may lie from Matterport's, and the measuring of it.

A gate is about ten times the noise: the largest difference that another numeric path through the same network makes
(the reference itself with oneDNN off). What lies beyond is another convention, not another rounding.
"""

from typing import NamedTuple

import numpy as np


class Gate(NamedTuple):
    """What a measured difference is held against.

    Attributes:
        limit: the largest difference that passes.
        unit: what is measured.
        reason: why the limit is what it is.
    """

    limit: float
    unit: str
    reason: str


EXACT = Gate(0.0, "largest difference", "whole numbers and decisions have no noise")
ONE_PIXEL = Gate(1.0, "pixels", "a coordinate near a half may round the other way")
FEATURES = Gate(1e-4, "largest difference", "noise 1.1e-5 on maps of scale 2 to 8")
RPN = Gate(2e-4, "largest difference", "noise 1.9e-5 on logits, 1e-5 on deltas")
PROPOSALS = Gate(0.01, "share not within 1e-3 of any", "noise moves boxes by 1e-4; ties in score swap or drop a few")
HEAD = Gate(1e-3, "largest difference", "noise 1e-4 on class logits, 3.1e-5 on deltas")
DETECTIONS = Gate(5e-4, "largest difference", "noise 1.2e-5 on shares of the image and on scores")
BOXES = Gate(5e-4, "share of the image", "noise 1.2e-5; sides are 256 pixels")
MASKS = Gate(0.005, "1 - smallest IoU", "noise moves one pixel in all masks together")
TARGETS = Gate(1e-4, "largest difference", "float32 against float64 or another order of the same few operations")
LOSS = Gate(1e-4, "relative difference", "noise 2e-7, and sums in another order")
GRADIENT = Gate(0.01, "relative difference", "noise 2.7e-4 on the norm of a tensor's gradient")
GLOBAL_GRADIENT = Gate(0.005, "relative difference", "noise of single tensors averages out")

NEAR = 1e-3  # of the image: how close a proposal must lie to be found again


class Result(NamedTuple):
    """One comparison.

    Attributes:
        what: was compared.
        gate: what the difference is held against.
        difference: as the gate measures it; NaN fails.
    """

    what: str
    gate: Gate
    difference: float

    @property
    def passed(self) -> bool:
        """Checks whether the difference is within the gate."""
        return bool(self.difference <= self.gate.limit)

    def __str__(self) -> str:
        """Formats the difference and what was allowed."""
        return f"{self.what}: {self.gate.unit} {self.difference:.3g}, allowed {self.gate.limit:g}"


def close(what: str, got, expected, gate: Gate) -> Result:
    """Measures the largest difference of two arrays; another shape is infinitely far."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    if got.shape != expected.shape:
        return Result(f"{what} of shape {got.shape}, not {expected.shape}", gate, np.inf)
    return Result(what, gate, float(np.abs(got - expected).max(initial=0.0)))


def relative(what: str, got, expected, gate: Gate) -> Result:
    """Measures the largest difference as a share of the expected value."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    return Result(what, gate, float((np.abs(got - expected) / np.abs(expected)).max(initial=0.0)))


def gradient(what: str, got, expected, gate: Gate) -> Result:
    """Measures the norm of the difference as a share of the expected gradient's norm."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    return Result(what, gate, float(np.linalg.norm(got - expected) / np.linalg.norm(expected)))


def as_set(what: str, got, expected, gate: Gate, *, near: float = NEAR) -> Result:
    """Measures which share of the expected rows no row of `got` comes within `near` of; two rows need two."""
    distance = np.abs(np.asarray(expected)[:, None] - np.asarray(got)[None]).max(axis=-1)
    found = np.zeros(len(got), bool)
    missing = 0
    for row in distance:
        row = np.where(found, np.inf, row)
        nearest = int(row.argmin())
        if row[nearest] <= near:
            found[nearest] = True
        else:
            missing += 1
    return Result(what, gate, missing / len(expected))


def overlap(what: str, got, expected, gate: Gate) -> Result:
    """Measures 1 - the smallest IoU of two lists of masks `[N, H, W]`; two empty masks are equal."""
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape != expected.shape:
        return Result(f"{what} of shape {got.shape}, not {expected.shape}", gate, np.inf)
    union = (got | expected).sum(axis=(1, 2))
    shared = (got & expected).sum(axis=(1, 2))
    return Result(what, gate, float(((union - shared) / np.maximum(union, 1)).max(initial=0.0)))
