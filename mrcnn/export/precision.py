"""Tolerances for the difference of two correct computations of one network, by arithmetic.

A convolution rounds the factors of its products to `m` binary places, a relative error of u = 2^-(m+1). Over about a
hundred layers, errors of random sign add up to a relative error of sqrt(100) u = 10 u of the logits. Logits are a few
units large, and a probability changes by at most a quarter of the change of its logit: by about 10 u. An edge of a box
is decoded from such an output too, and moves by at most 0.2 of the box's side for a change of 1.
"""

from typing import NamedTuple

import tensorflow as tf

from mrcnn.model_folder import precision as precisions

PLACES = {"float32": 23, "tf32": 10, "float16": 10, "bfloat16": 7}
GROWTH = 10.0  # relative error of the logits in units of u, see the module docstring
BOX_STD = 0.2  # largest standard deviation that deltas are divided by
GREY = 1.0 / 255.0  # one grey value
CHOSEN = (
    0.005  # of a mask's cells: 15 of 56 x 56; a cell that is chosen otherwise also changes those interpolated from it
)


class Tolerances(NamedTuple):
    """Largest allowed differences between an exported model and the live one.

    The noise of float32 is about a hundredth of the defaults.

    Attributes:
        box_px: difference of a box's edge, pixels of the image; `box_share` applies where it allows more.
        box_share: difference of a box's edge, as a share of the box's longer side.
        score: difference of a score; also the distance from a cut-off within which an unpaired detection is explained
            by rounding.
        mask_probability: difference of a mask's probability for equal boxes. Pixels whose probability is nearer to the
            threshold than this may differ.
        mask_pixels: number of pixels of a mask that are farther from the threshold and still differ.
        unpaired_share: share of unpaired detections: NMS may decide either way on two boxes whose IoU is just at its
            threshold.
        rounded_share: share of pairs with an edge rounded to the other side, where boxes are rounded to whole pixels.
        chosen_share: share of the cells of a mask whose probability may differ by more: a head that refines the most
            uncertain cells may choose either of two that are almost equally uncertain.
        map_share: share of the pixels of a map whose class differs: where two classes are almost equally likely, either
            may be found.
    """

    box_px: float = 0.1
    box_share: float = 0.0
    score: float = 1e-3
    mask_probability: float = 1e-3
    mask_pixels: int = 2
    unpaired_share: float = 0.01
    rounded_share: float = 0.1
    chosen_share: float = 0.0
    map_share: float = 1e-3


def in_use(compute_dtype: str) -> str:
    """Determines the arithmetic of the convolutions.

    A GPU that supports TF32 computes float32 convolutions in it, unless it is switched off.

    Args:
        compute_dtype: compute dtype of the model.

    Returns:
        A key of `PLACES`.
    """
    return "tf32" if compute_dtype == "float32" and precisions.uses_tf32() else compute_dtype


def device() -> str:
    """Returns the kind of device that TensorFlow computes on, "GPU" or "CPU"."""
    return "GPU" if tf.config.get_visible_devices("GPU") else "CPU"


def tolerances(precision: str, *, image_resize: str = "exact", refines_cells: bool = False) -> Tolerances:
    """Computes the tolerances for an arithmetic; see the module docstring.

    Args:
        precision: a key of `PLACES`.
        image_resize: the model's resize method. A method that rounds pixels to whole grey values may round to the other
            side in the exported graph, an error of one grey value (`GREY` of the range).
        refines_cells: whether the mask head chooses cells to refine.
    """
    # allows for differences in resizing, which do not depend on the arithmetic
    floor = Tolerances(chosen_share=CHOSEN if refines_cells else 0.0)
    if image_resize != "exact":
        floor = floor._replace(score=GREY, mask_probability=GREY, map_share=GREY)
    noise = GROWTH * 2.0 ** -(PLACES[precision] + 1)
    if noise <= floor.score:
        return floor
    return floor._replace(score=noise, mask_probability=noise, box_share=BOX_STD * noise, map_share=noise)
