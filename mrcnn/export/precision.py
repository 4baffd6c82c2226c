"""How far two correct computations of one network may differ in the arithmetic in use.

Every product of a convolution rounds its factors to `m` binary places, an error of u = 2^-(m+1) of the value. About a
hundred such layers with errors of random sign add up to sqrt(100) u = 10 u of the logits, which are a few units large,
and a probability changes by at most a quarter of what its logit does: 10 u. A box's edge is decoded from a logit, too,
and moves by at most 0.2 of the box's side for a change of 1.
"""

from typing import NamedTuple

import tensorflow as tf

PLACES = {"float32": 23, "tf32": 10, "float16": 10, "bfloat16": 7}
GROWTH = 10.0  # of u, see above
BOX_STD = 0.2  # the largest standard deviation that deltas are divided by
GREY = 1.0 / 255.0  # one grey value
FIRST_TF32 = (8, 0)  # compute capability of the first GPUs that have it


class Tolerances(NamedTuple):
    """How far an exported model may be from the live one; in float32 the noise is a hundredth of this.

    Attributes:
        box_px: of a box's edge, pixels of the image; or, where that is more, ...
        box_share: ... this share of the box's longer side.
        score: of a detection's score; also how near to a cut-off an unpaired detection counts as decided by rounding.
        mask_probability: of a mask's probability, where the boxes are the same. A pixel nearer to the threshold than
            this may fall either way.
        mask_pixels: of a mask, that are farther from the threshold and still differ.
        unpaired_share: of all detections: two boxes that overlap by just the suppression's limit may fall either way.
        rounded_share: of the pairs, where boxes are whole pixels: an edge near a half may be rounded either way.
    """

    box_px: float = 0.1
    box_share: float = 0.0
    score: float = 1e-3
    mask_probability: float = 1e-3
    mask_pixels: int = 2
    unpaired_share: float = 0.01
    rounded_share: float = 0.1


def in_use(compute_dtype: str) -> str:
    """Returns the arithmetic of convolutions, a key of `PLACES`: a GPU computes float32 in TF32 where it can.

    Args:
        compute_dtype: of the model.
    """
    if compute_dtype != "float32" or not tf.config.experimental.tensor_float_32_execution_enabled():
        return compute_dtype
    capabilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability", FIRST_TF32)
        for gpu in tf.config.get_visible_devices("GPU")
    ]
    return "tf32" if any(capability >= FIRST_TF32 for capability in capabilities) else compute_dtype


def device() -> str:
    """Returns what TensorFlow computes on, "GPU" or "CPU"."""
    return "GPU" if tf.config.get_visible_devices("GPU") else "CPU"


def tolerances(precision: str, *, image_resize: str = "exact") -> Tolerances:
    """Returns the tolerances that follow from an arithmetic; see the top of this file.

    Args:
        precision: a key of `PLACES`.
        image_resize: of the model; a method that rounds pixels to whole grey values may do so the other way in the
            exported graph, which is an error of `GREY` of the largest value.
    """
    floor = Tolerances()  # what differences in resizing may make, whatever the arithmetic
    if image_resize != "exact":
        floor = floor._replace(score=GREY, mask_probability=GREY)
    noise = GROWTH * 2.0 ** -(PLACES[precision] + 1)
    if noise <= floor.score:
        return floor
    return floor._replace(score=noise, mask_probability=noise, box_share=BOX_STD * noise)
