"""Makes batches of noise, which need the memory of the largest batches of a run."""

import numpy as np

from mrcnn.data.batching import Shapes, example_spec


def noise_batch(
    shapes: Shapes, input_hw: tuple[int, int], *, count: int, num_classes: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """Draws a batch with an object in every slot.

    Args:
        shapes: the fixed sizes of the batch.
        input_hw: height and width of the model input, pixels.
        count: number of images.
        num_classes: number of classes, the background included; at least 2.
        seed: of the noise.

    Returns:
        The fields of a training batch, `[count, ...]`. Boxes have at least an eighth of the sides of the input.
    """
    random = np.random.default_rng(seed)
    height, width = input_hw
    batch: dict[str, np.ndarray] = {}
    for name, (shape, dtype) in example_spec(shapes).items():
        known = [side or 0 for side in shape]
        batch[name] = np.zeros([count, *(input_hw if name in ("images", "neutral") else known[:2]), *known[2:]], dtype)
    batch["images"][:] = random.integers(0, 256, batch["images"].shape, np.uint8)
    batch["windows"][:] = (0, 0, height, width)
    near = random.uniform(0.0, 0.5, (*batch["gt_boxes"].shape[:2], 2))
    sides = random.uniform(0.125, 0.5, near.shape)
    batch["gt_boxes"][:] = np.concatenate([near, near + sides], axis=-1) * (height, width, height, width)
    batch["gt_class_ids"][:] = random.integers(1, num_classes, batch["gt_class_ids"].shape)
    batch["gt_masks"][:] = 255
    batch["gt_valid"][:] = True
    batch["seeds"][:] = np.arange(count)
    return batch
