"""The semantic map of an image as TensorFlow operators; the graph's counterpart of `predict.semantic`.

Shape letters: h w the logits, Hi Wi the model input, H W the image, C classes.
"""

import tensorflow as tf

from mrcnn.structures import Tensor


def to_original(logits: Tensor, *, input_hw: Tensor, window: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Finds the class of each pixel of an image.

    Each class is scaled after the one before, so the memory does not grow with the number of classes.

    Args:
        logits: `[h, w, C]` float32 over the model input with its padding; C is known and at most 255.
        input_hw: Hi and Wi, `[2]` int32.
        window: `[4]` int32, the un-padded part of the model input, yxyx pixels.
        height: H, int32 scalar.
        width: W, int32 scalar.

    Returns:
        `[H, W]` uint8, 0..C-1; of equal logits the smallest class.
    """
    best = classes = None
    for number in range(logits.shape[-1]):  # no loop of the graph: tf2onnx converts it wrongly
        with tf.control_dependencies([] if best is None else [best, classes]):
            enlarged = tf.image.resize(tf.identity(logits[..., number, None]), input_hw)
        values = tf.image.resize(enlarged[window[0] : window[2], window[1] : window[3]], [height, width])[..., 0]
        if best is None:
            best, classes = values, tf.zeros([height, width], tf.uint8)
            continue
        is_better = values > best
        classes = tf.where(is_better, tf.constant(number, tf.uint8), classes)
        best = tf.where(is_better, values, best)
    return classes
