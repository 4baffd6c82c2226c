"""The validation's result of a batch, and its form as bytes, in which workers exchange it."""

import io
from typing import Any, NamedTuple

import numpy as np

from mrcnn.structures import RawDetections

IDS, LOSS, CORE, GROUPS = "image_ids", "loss", "core", ("extras", "maps")


class BatchResult(NamedTuple):
    """Losses and detections of a batch of a validation.

    Attributes:
        image_ids: `[B]` int32.
        losses: of the batch, by name.
        raw: the detections as NumPy arrays.
    """

    image_ids: np.ndarray
    losses: dict[str, float]
    raw: RawDetections


def pack(result: BatchResult | None) -> bytes:
    """Writes a result as the bytes of an NPZ file; None as no bytes."""
    if result is None:
        return b""
    core = {name: value for name, value in result.raw._asdict().items() if name not in GROUPS}
    arrays: dict[str, Any] = {IDS: result.image_ids}
    arrays |= {f"{LOSS}/{name}": np.float64(value) for name, value in result.losses.items()}
    arrays |= {f"{CORE}/{name}": value for name, value in core.items()}
    for group in GROUPS:
        arrays |= {f"{group}/{name}": value for name, value in getattr(result.raw, group).items()}
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def unpack(content: bytes) -> BatchResult | None:
    """Reads what `pack` wrote."""
    if not content:
        return None
    groups: dict[str, dict[str, Any]] = {LOSS: {}, CORE: {}, **{group: {} for group in GROUPS}}
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        for key in arrays.files:
            group, _, name = key.partition("/")
            if name:
                groups[group][name] = arrays[key]
        image_ids = arrays[IDS]
    losses = {name: float(value) for name, value in groups[LOSS].items()}
    return BatchResult(image_ids, losses, RawDetections(**groups[CORE], extras=groups["extras"], maps=groups["maps"]))
