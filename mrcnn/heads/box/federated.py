"""Chooses the classes of the federated loss: those of the batch's objects, and others drawn at random.

In data such as LVIS an image is annotated for few classes, so most absent classes are not known to be absent. The loss
counts the classes of the batch's objects as well as others up to a number; a class that many images have is drawn more
often, with a probability that grows with the root of their number.
Shape letters: B images, N padded ground truth, C classes with background.
Source: Zhou et al. (2021), Probabilistic two-stage detection, section 5 (LVIS); detectron2, `get_fed_loss_classes`,
which draws for each device; here all devices have the same classes, from the seeds of all images.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from keras import ops

from mrcnn.ops import reduction
from mrcnn.ops.backend.current import native
from mrcnn.ops.sampling import random_priority
from mrcnn.structures import Tensor

CLASS_SALT = 3  # separates this use of an image's seed from those in `ops.sampling`
POWER = 0.5  # of a class's number of images in its probability
_HALF_STEP = 2.0**-25  # random numbers are multiples of 2**-24; shifted by half of that, none is 0 or 1


class LocalClasses(NamedTuple):
    """What one device knows of a batch; sums over its images, so that the devices' values can be added.

    Attributes:
        objects: `[C]` float32, number of objects of each class.
        random: `[C]` float64, for each class the sum of a uniform number of each image, exactly.
    """

    objects: Tensor
    random: Tensor


def of_batch(batch: Mapping[str, Tensor], num_classes: int) -> LocalClasses:
    """Counts the objects of each class of a batch, and draws numbers by the images' seeds.

    Args:
        batch: the fields of `Batch` by name.
        num_classes: with background.
    """
    class_ids = ops.where(batch["gt_valid"], batch["gt_class_ids"], 0)
    uniform = random_priority(batch["seeds"], num_classes, salt=CLASS_SALT)
    return LocalClasses(
        objects=ops.sum(ops.one_hot(class_ids, num_classes, dtype="float32"), axis=(0, 1)),
        random=ops.sum(ops.cast(uniform, "float64"), axis=0),
    )


def log_weights(counts: Sequence[int] | None, num_classes: int) -> np.ndarray:
    """Computes the logarithms of the classes' chances, up to a constant.

    Args:
        counts: of each class id the number of training images with an object of it; None for equal chances.
        num_classes: with background.

    Returns:
        `[C]` float64; -inf for the background and for classes without images, which are never drawn.

    Raises:
        ValueError: the number of counts is not `num_classes`.
    """
    numbers = np.ones(num_classes) if counts is None else np.asarray(counts, np.float64)
    if len(numbers) != num_classes:
        raise ValueError(f"`counts` must have one number for each of {num_classes} classes, got {len(numbers)}")
    numbers[0] = 0
    return np.where(numbers > 0, POWER * np.log(np.maximum(numbers, 1.0)), -np.inf)


def choose(
    local: LocalClasses, log_chances: np.ndarray, *, count: int, across: reduction.Across = reduction.identity
) -> Tensor:
    """Chooses the classes that take part in the loss of a batch.

    The classes of the batch's objects take part; others are drawn without replacement until there are `count`: those
    with the largest sum of the logarithm of their chance and a Gumbel number, which is the same as drawing one after
    the other.

    Args:
        local: from `of_batch`.
        log_chances: `[C]`, from `log_weights`.
        count: how many classes take part, unless the batch's objects have more, or fewer have a chance.
        across: adds a value up over the devices.

    Returns:
        `[C]` float32, 1 for a class that takes part, else 0; 0 for the background. No gradient flows through it.
    """
    classes = len(log_chances)
    is_object = np.arange(classes) > 0
    present = ops.logical_and(across(local.objects) > 0, is_object)
    uniform = across(local.random)
    uniform = uniform - ops.floor(uniform) + _HALF_STEP  # a sum of uniform numbers modulo 1 is uniform
    gumbel = -ops.log(-ops.log(uniform))
    keys = ops.where(present, np.inf, ops.cast(gumbel + log_chances, "float32"))
    best, index = native.top_k(keys, k=min(count, classes - 1))
    drawn = ops.one_hot(index, classes, dtype="float32") * ops.cast(best > -np.inf, "float32")[:, None]
    return ops.stop_gradient(ops.maximum(ops.max(drawn, axis=0), ops.cast(present, "float32")))
