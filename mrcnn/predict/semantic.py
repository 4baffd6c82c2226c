"""Converts the logits of a semantic map to the classes of an image's pixels.

Source: detectron2's `sem_seg_postprocess`: the logits are enlarged to the model input, cut to the image, and scaled to
its size, always bilinear; then the class with the largest one is chosen.
"""

import cv2
import numpy as np

from mrcnn.data.resize import ResizePlan


def to_original(logits: np.ndarray, plan: ResizePlan) -> np.ndarray:
    """Finds the class of each pixel of an image.

    One class is scaled at a time, so the memory does not grow with the number of classes.

    Args:
        logits: `[h, w, C]` float32 over the model input with its padding, C at most 255.
        plan: how the image was fitted into the model input.

    Returns:
        `[H, W]` uint8, 0..C-1; of equal logits the smallest class.
    """
    y1, x1, y2, x2 = plan.window
    (height, width), original = plan.input_hw, plan.original_hw
    classes = np.zeros(original, np.uint8)
    best = np.full(original, -np.inf, np.float32)
    for number in range(logits.shape[-1]):
        enlarged = cv2.resize(np.ascontiguousarray(logits[..., number]), (width, height))
        values = cv2.resize(np.ascontiguousarray(enlarged[y1:y2, x1:x2]), original[::-1])
        is_better = values > best
        classes[is_better] = number
        best[is_better] = values[is_better]
    return classes
