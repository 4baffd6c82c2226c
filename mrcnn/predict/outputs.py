"""The named outputs of exported models: of a network, and of a function of images.

Shape letters: N detections, M mask side, H W the image.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from mrcnn.structures import Detections, RawDetections, Tensor

PROBABILITIES = "probabilities"  # output with mask probabilities, and the function that returns it too
EXTRAS = "extras"  # field of a record with the extra fields of its objects by name
MAPS = "maps"  # field of a record with the maps of the whole image by name
ImageFunction = Callable[[np.ndarray], Mapping[str, np.ndarray]]


def named(raw: RawDetections) -> dict[str, Tensor]:
    """Converts raw detections to the named outputs of a network; inverse of `unnamed`.

    Returns:
        The fixed fields by name, then the extra fields and the maps of whole images by theirs.
    """
    return _flat(raw._asdict())


def unnamed(fields: Mapping[str, Tensor], *, maps: Collection[str] = ()) -> RawDetections:
    """Converts the named outputs of a network to raw detections.

    Args:
        fields: the outputs by name.
        maps: names of the outputs that are maps of the whole image; further ones become extra fields.
    """
    fixed = {name: fields[name] for name in RawDetections._fields if name not in (EXTRAS, MAPS)}
    further = {name: value for name, value in fields.items() if name not in fixed and name not in maps}
    return RawDetections(**fixed, extras=further, maps={name: fields[name] for name in maps})


def of_detections(found: Detections, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """Converts detections of an image to the named outputs of an exported function.

    Args:
        found: the detections.
        probabilities: `[N, M, M]` float32, mask probabilities on the grid of each box.

    Returns:
        boxes `[N, 4]` float32, yxyx pixels of the image; class_ids `[N]` int32; scores `[N]` float32; masks
        `[N, H, W]` uint8, 0 or 1; probabilities; the extra fields by their names, `[N, ...]` float32; the maps by
        theirs, `[H, W]` uint8.
    """
    fields = {name: value for name, value in found._asdict().items() if name != "class_names"}
    return _flat(fields) | {"masks": found.masks.astype(np.uint8), PROBABILITIES: probabilities}


def _flat(fields: dict[str, Any]) -> dict[str, Any]:
    fixed = {name: value for name, value in fields.items() if name not in (EXTRAS, MAPS)}
    return fixed | dict(fields[EXTRAS]) | dict(fields[MAPS])
