"""The graph of images for formats without TensorFlow's operators: one image, and masks pasted by a loop they can hold.

Shape letters: N detections, M mask side, H W the image.
"""

from typing import Any

import tensorflow as tf

from mrcnn.export import graph
from mrcnn.export.exportable import Exportable
from mrcnn.structures import OutputRules, Tensor

IMAGE = "image"  # the input


def image_spec(model: Exportable) -> tf.TensorSpec:
    """Describes the input of `function`: `[H, W, channels]` uint8, of any size."""
    return tf.TensorSpec([None, None, model.settings.channels], tf.uint8, name=IMAGE)


def function(model: Exportable) -> Any:
    """Builds TensorFlow's function of an image, to be converted to another format.

    Args:
        model: the model with its settings.

    Returns:
        A function of an image as `image_spec` describes it; its results are those of `graph.detect`.
    """
    # converters make a resize of uint8 one whose result is uint8 too
    return tf.function(
        lambda image: graph.detect(tf.cast(image, tf.float32), model, paste=paste), input_signature=[image_spec(model)]
    )


def grids_function(model: Exportable) -> Any:
    """Builds a function as `function` does, whose results are those of `graph.detect_grids`: it has no loop."""
    return tf.function(
        lambda image: graph.detect_grids(tf.cast(image, tf.float32), model), input_signature=[image_spec(model)]
    )


def paste(masks: Tensor, boxes: Tensor, *, height: Tensor, width: Tensor, rules: OutputRules) -> tuple[Tensor, Tensor]:
    """Pastes masks into the image one by one, like `graph.draw`, by a loop that ONNX can hold.

    In ONNX a loop adds one element to its result in each step, so empty masks are drawn too and dropped at the end.
    Arguments and results are those of `graph.draw`.
    """
    count = tf.shape(boxes)[0]
    steps = tf.maximum(count, 1)  # a result of no steps would have no height and width
    masks, boxes = tf.pad(masks, [[0, 1], [0, 0], [0, 0]]), tf.pad(boxes, [[0, 1], [0, 0]])
    canvas = tf.TensorArray(tf.uint8, size=steps, element_shape=[None, None])
    drawn = tf.TensorArray(tf.bool, size=steps, element_shape=[])

    def step(index: Tensor, canvas: Any, drawn: Any) -> tuple[Tensor, Any, Any]:
        crop, padding = graph.draw_in_box(masks[index], boxes[index], height=height, width=width, rules=rules)
        pasted = tf.pad(tf.cast(crop, tf.uint8), padding)
        return index + 1, canvas.write(index, pasted), drawn.write(index, tf.reduce_any(crop))

    _, canvas, drawn = tf.while_loop(lambda index, *_: index < steps, step, (0, canvas, drawn), parallel_iterations=1)
    pasted, some = canvas.stack()[:count], drawn.stack()[:count]
    return tf.boolean_mask(pasted, some), some
