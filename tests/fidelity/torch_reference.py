"""torchvision's stored results, in our order: boxes and deltas yxyx, maps channels last.

Source: torchvision 0.29.1, models built with `weights=None` (BatchNorm2d, epsilon 1e-5) and `box_score_thresh=0.05`,
else with their defaults; cut out by `make_torch_arrays.py`.
"""

from functools import cache
from pathlib import Path

import numpy as np

from tests.fidelity import reference

DATA = Path(__file__).resolve().parents[1] / "data"
MAPS = ("0", "1", "2", "3", "pool")  # torchvision's names of P2 to P6
INPUT = (800, 1216)  # height and width of the model input
WINDOW = (0, 0, 800, 1200)  # of the photograph in it
COARSEST = (13, 19)  # rows and columns of P6
COARSEST_ANCHORS = 13 * 19 * 3
CORNER = 4  # side of the stored corner of P6, with all channels
CLASSES = 91  # with background
SWAPPED = [1, 0, 3, 2]  # xyxy to yxyx


def path_of(model: str) -> Path:
    """Names the file of a model's results."""
    return DATA / f"torchvision_{model}.npz"


@cache
def results(model: str) -> dict[str, np.ndarray]:
    """Reads the results of detecting in the photograph."""
    with np.load(path_of(model)) as arrays:
        found = dict(arrays)
    for name in ("boxes", "boxes_resized", "proposals", "head_rois", "anchors", "rpn_deltas"):
        found[name] = found[name][:, SWAPPED]
    deltas = found["head_box_regression"]
    found["head_box_regression"] = deltas.reshape(len(deltas), -1, 4)[..., SWAPPED]
    for name in ("first_pooled", "input_sample"):
        found[name] = np.moveaxis(found[name], 0, -1)
    return found


def photograph() -> np.ndarray:
    """Returns the photograph, `[400, 600, 3]` uint8."""
    return reference.inference()["image"]


def masks(model: str) -> np.ndarray:
    """Unpacks the masks of all detections in the photograph, `[N, H, W]` bool."""
    return reference.unpack(results(model), "masks")
