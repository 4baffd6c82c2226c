"""Tensors of detectron2's PointRend and of the semantic head of its Panoptic FPN.

Shape letters: K classes of objects, F channels of the finest map's features, O outputs, S side of a coarse mask,
I inputs.
Source: detectron2 at 02b5c4e2, `projects/PointRend` and `SemSegFPNHead`: names and shapes of the state dicts.
"""

import re
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from mrcnn.weights.maps.entries import COARSE_CELLS, Entry, Tensors, conv, pair

COARSE, POINT = "roi_heads.mask_head.coarse_head", "roi_heads.mask_head.point_head"
SEMANTIC = "sem_seg_head"
POINT_LAYERS = 3
LEVEL_CONVOLUTIONS = {2: 1, 3: 1, 4: 2, 5: 3}  # of the semantic head, by level of the pyramid
# (pattern, replacement) of the names before detectron2 moved both networks into the mask head
_OLDER = (
    (re.compile(r"^roi_heads\.mask_coarse_head\.(?:coarse_mask_(?=fc))?"), f"{COARSE}."),
    (re.compile(rf"^{re.escape(COARSE)}\.coarse_mask_(?=fc)"), f"{COARSE}."),
    (re.compile(r"^roi_heads\.mask_point_head\."), f"{POINT}."),
)


def renamed(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Replaces PointRend's older names, which the published files have, by the present ones."""
    return {_present(name): values for name, values in tensors.items()}


def has_pointrend(tensors: Collection[str]) -> bool:
    """Checks whether a detector has PointRend's networks; `tensors` are its names."""
    return f"{COARSE}.prediction.weight" in tensors


def num_coarse(tensors: Tensors) -> int:
    """Counts the coarse masks of a region; 0 without PointRend."""
    weight = tensors.get(f"{COARSE}.prediction.weight")
    return 0 if weight is None or not weight.ndim else weight.shape[0] // COARSE_CELLS


def num_stuff(tensors: Tensors) -> int:
    """Counts the stuff classes of a semantic head; 0 without one. Its first class is every thing."""
    weight = tensors.get(f"{SEMANTIC}.predictor.weight")
    return 0 if weight is None or not weight.ndim else max(0, weight.shape[0] - 1)


def pointrend_entries(*, class_agnostic: bool) -> Iterator[Entry]:
    """Yields the tensors of PointRend's two networks.

    Args:
        class_agnostic: whether one mask serves all classes.
    """
    of_masks = "" if class_agnostic else "_of_objects"
    yield from conv(f"{COARSE}.reduce_spatial_dim_conv", "mrcnn_mask_coarse_conv")
    yield from pair(f"{COARSE}.fc1", "mrcnn_mask_coarse_fc1", "regions")
    yield from pair(f"{COARSE}.fc2", "mrcnn_mask_coarse_fc2", "connected")
    coarse = f"coarse_masks{of_masks}"
    yield from pair(f"{COARSE}.prediction", "mrcnn_mask_coarse", coarse, bias=coarse)
    for number in range(1, POINT_LAYERS + 1):
        yield from pair(f"{POINT}.fc{number}", f"mrcnn_mask_point_fc{number}", f"points{of_masks}")
    yield from pair(f"{POINT}.predictor", "mrcnn_mask_point", f"point_masks{of_masks}", bias=f"same{of_masks}")


def semantic_entries() -> Iterator[Entry]:
    """Yields the tensors of the semantic head; in each level a doubling follows each convolution, except in P2."""
    for level, count in LEVEL_CONVOLUTIONS.items():
        for number in range(1, count + 1):
            theirs, ours = f"{SEMANTIC}.p{level}.{2 * (number - 1)}", f"mrcnn_semantic_p{level}"
            yield from conv(theirs, f"{ours}_conv{number}", bias=False)
            yield Entry(f"{theirs}.norm.weight", f"{ours}_norm{number}", "gamma")
            yield Entry(f"{theirs}.norm.bias", f"{ours}_norm{number}", "beta")
    yield from conv(f"{SEMANTIC}.predictor", "mrcnn_semantic_predictor")


def _present(name: str) -> str:
    for older, present in _OLDER:
        name = older.sub(present, name)
    return name
