"""Detection in one image as TensorFlow operators.

The input is pixels of any size; the masks have that size.

Implements the preprocessing and postprocessing of `Predictor`, which use NumPy and OpenCV, so that an exported graph
needs no code of this project. The rules are those of `data/resize.py`, `predict/postprocess.py` and
`ops/masks.py`.
Shape letters: H W the image, Hi Wi the model input, D output slots, N detections, M mask side.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf
from keras import ops

from mrcnn.export import semantic
from mrcnn.export.exportable import Exportable
from mrcnn.fields import extras
from mrcnn.images.fit import Fit, rule
from mrcnn.ops import mask_paste
from mrcnn.ops import masks as mask_ops
from mrcnn.predict import outputs
from mrcnn.structures import SEMANTIC, OutputRules, RawDetections, Tensor

CENTRED = rule("centred")
Paste = Callable[..., tuple[Tensor, Tensor]]  # a function with the arguments and results of `draw`
_ROUND = {"even": tf.round, "down": tf.floor, "half_up": lambda sides: tf.floor(sides + 0.5)}


class Fitted(NamedTuple):
    """A resized and padded image; the graph's counterpart of `data.resize.ResizePlan`.

    Attributes:
        images: `[1, Hi, Wi, channels]` float32, zero outside the window.
        windows: `[1, 4]` float32, the un-padded part, yxyx pixels of the model input.
        old_hw: `[2]` float64, height and width of the image.
        new_hw: `[2]` float64, height and width of the window.
        offset_yx: `[2]` float64, pixels of padding above and to the left.
    """

    images: Tensor
    windows: Tensor
    old_hw: Tensor
    new_hw: Tensor
    offset_yx: Tensor


def detect(image: Tensor, model: Exportable, *, paste: Paste | None = None) -> dict[str, Tensor]:
    """Finds the objects of an image.

    Args:
        image: `[H, W, channels]` uint8 RGB; or the same whole numbers as float32, for formats that resize no uint8.
        model: the model with its settings.
        paste: pastes the masks into the image, for formats that cannot hold the loop of `draw`; None for `draw`.

    Returns:
        By descending score: boxes `[N, 4]` float32, yxyx pixels of the image, clipped; class_ids `[N]` int32, 1..C-1;
        scores `[N]` float32; masks `[N, H, W]` uint8, 0 or 1, each with at least one 1; probabilities `[N, M, M]`
        float32, mask probabilities on the M x M grid of each box; the extra fields by their names, `[N, ...]` float32;
        the maps of the image by theirs, `[H, W]` uint8.
    """
    raw, fitted = _raw(image, model)
    height, width = tf.unstack(tf.shape(image)[:2])
    rules = model.settings.rules
    found = to_original(raw._replace(maps={}), fitted, height=height, width=width, rules=rules, paste=paste)
    return found | maps_to_original(raw.maps, fitted, height=height, width=width)


def detect_grids(image: Tensor, model: Exportable) -> dict[str, Tensor]:
    """Finds the objects of an image without pasting their masks, for formats that cannot hold a loop.

    Args:
        image: as for `detect`.
        model: the model with its settings.

    Returns:
        As `detect`, but without masks, and with objects whose mask has no pixel.
    """
    raw, fitted = _raw(image, model)
    height, width = tf.unstack(tf.shape(image)[:2])
    rounding = model.settings.rules.round_boxes
    found = grids_to_original(raw._replace(maps={}), fitted, height=height, width=width, rounding=rounding)
    return found | maps_to_original(raw.maps, fitted, height=height, width=width)


def fit(
    image: Tensor,
    *,
    min_dim: int,
    max_dim: int,
    method: str,
    shape: str = "square",
    fit_rule: Fit = CENTRED,
) -> Fitted:
    """Resizes and pads an image to the model input, like `resize_plan` and `resize_image`.

    Args:
        image: `[H, W, channels]` uint8, at least one pixel.
        min_dim: target of the short side in pixels; the image is enlarged to it as far as `max_dim` allows.
        max_dim: longest side of the model input in pixels.
        method: as for `resize_image`.
        shape: of the model input, as for `resize_plan`.
        fit_rule: how the size of the image is computed and where it is padded.
    """
    sides = tf.cast(tf.shape(image)[:2], tf.float64)
    new_sides = _new_sides(sides, min_dim=min_dim, max_dim=max_dim, fit_rule=fit_rule)
    new_hw = tf.cast(new_sides, tf.int32)
    is_square, step = shape == "square", fit_rule.step
    # rounded up without a negative number, whose quotient ONNX rounds to the other side
    input_hw = tf.constant([max_dim, max_dim]) if is_square else (new_hw + step - 1) // step * step
    before = (input_hw - new_hw) // 2 if fit_rule.centred else tf.zeros_like(new_hw)
    scale_pixels = {"exact": _exact, "truncated": _truncated, "smoothed": _smoothed}[method]
    padding = tf.stack([before, input_hw - new_hw - before], axis=1)
    pixels = tf.pad(scale_pixels(image, new_hw), tf.concat([padding, [[0, 0]]], axis=0))[None]
    side = max_dim if is_square else None
    pixels = tf.ensure_shape(pixels, (1, side, side, image.shape[-1]))
    windows = tf.cast(tf.concat([before, before + new_hw], axis=0), tf.float32)[None]
    return Fitted(pixels, windows, sides, new_sides, tf.cast(before, tf.float64))


def to_original(
    raw: RawDetections,
    fitted: Fitted,
    *,
    height: Tensor,
    width: Tensor,
    rules: OutputRules,
    paste: Paste | None = None,
) -> dict[str, Tensor]:
    """Converts raw output to detections in the image, like `postprocess.to_original`.

    Args:
        raw: the fields of one image, without the batch axis: `[D, ...]`; no maps.
        fitted: how the image was resized and padded.
        height: H, int32 scalar.
        width: W, int32 scalar.
        rules: how boxes are rounded and masks resized.
        paste: as for `detect`.

    Returns:
        As `detect`; detections whose box has no area or whose mask is empty are dropped.
    """
    fields = grids_to_original(raw, fitted, height=height, width=width, rounding=rules.round_boxes)
    grids, boxes = fields[outputs.PROBABILITIES], fields["boxes"]
    masks, drawn = (paste or draw)(grids, boxes, height=height, width=width, rules=rules)
    return {"masks": masks} | {name: tf.boolean_mask(value, drawn) for name, value in fields.items()}


def grids_to_original(
    raw: RawDetections, fitted: Fitted, *, height: Tensor, width: Tensor, rounding: str
) -> dict[str, Tensor]:
    """Converts raw output to detections in the image whose masks stay on the grids of their boxes.

    Args:
        raw: as for `to_original`.
        fitted: as for `to_original`.
        height: as for `to_original`.
        width: as for `to_original`.
        rounding: how boxes are rounded, see `OutputRules.round_boxes`.

    Returns:
        As `detect_grids`, without maps.
    """
    raw = raw._replace(extras=_extras_to_original(raw, fitted))
    slots = tf.where(raw.valid)[:, 0]
    slots = tf.gather(slots, tf.argsort(tf.gather(raw.scores, slots), direction="DESCENDING", stable=True))
    fields = {name: tf.gather(value, slots) for name, value in outputs.named(raw).items() if name != "valid"}
    boxes = _boxes_to_original(fields["boxes"], fitted, rounding=rounding)
    limits = tf.cast(tf.stack([height, width, height, width]), tf.float32)
    fields["boxes"] = tf.clip_by_value(tf.cast(boxes, tf.float32), 0.0, limits)
    fields[outputs.PROBABILITIES] = fields.pop("masks")
    return fields


def maps_to_original(maps: Mapping[str, Tensor], fitted: Fitted, *, height: Tensor, width: Tensor) -> dict[str, Tensor]:
    """Converts the maps of the model input to those of the image, like `postprocess.maps_to_original`."""
    input_hw, window = tf.shape(fitted.images)[1:3], tf.cast(fitted.windows[0], tf.int32)
    return {
        name: semantic.to_original(logits, input_hw=input_hw, window=window, height=height, width=width)
        for name, logits in maps.items()
        if name == SEMANTIC
    }


def draw(masks: Tensor, boxes: Tensor, *, height: Tensor, width: Tensor, rules: OutputRules) -> tuple[Tensor, Tensor]:
    """Pastes masks into the image one by one, each only inside its own box.

    At any time only one box's floating-point values are in memory, whatever the number of masks. The pasted masks take
    two bytes per pixel: one in the array that is filled and one in the result.

    Args:
        masks: `[N, M, M]` float32, probabilities.
        boxes: `[N, 4]` float32, yxyx pixels of the image, clipped to it.
        height: H, int32 scalar.
        width: W, int32 scalar.
        rules: as for `to_original`.

    Returns:
        masks: `[K, H, W]` uint8, 0 or 1: the K masks that are not empty.
        drawn: `[N]` bool, true for a mask that is not empty.
    """
    count = tf.shape(boxes)[0]
    # the first element is written before the loop, so that the array has a shape even without any mask
    canvas = tf.TensorArray(tf.uint8, size=tf.maximum(count, 1), element_shape=[None, None], clear_after_read=False)
    canvas = canvas.write(0, tf.zeros([height, width], tf.uint8))
    drawn = tf.TensorArray(tf.bool, size=count, element_shape=[])

    def step(index: Tensor, used: Tensor, arrays: tuple[Any, Any]) -> tuple[Any, ...]:
        canvas, drawn = arrays
        crop, padding = draw_in_box(masks[index], boxes[index], height=height, width=width, rules=rules)
        some = tf.reduce_any(crop)
        # an empty mask is written too, but overwritten by the next one
        canvas = canvas.write(used, tf.pad(tf.cast(crop, tf.uint8), padding))
        return index + 1, used + tf.cast(some, tf.int32), (canvas, drawn.write(index, some))

    _, used, (canvas, drawn) = tf.while_loop(
        lambda index, *_: index < count, step, (0, 0, (canvas, drawn)), parallel_iterations=1
    )
    return canvas.gather(tf.range(tf.maximum(used, 1)))[:used], drawn.stack()


def draw_in_box(
    mask: Tensor, box: Tensor, *, height: Tensor, width: Tensor, rules: OutputRules
) -> tuple[Tensor, Tensor]:
    """Resizes and thresholds a mask in the pixels that its box touches.

    Args:
        mask: `[M, M]` float32, probabilities.
        box: `[4]` float32, yxyx pixels of the image, clipped to it.
        height: H, int32 scalar.
        width: W, int32 scalar.
        rules: as for `to_original`.

    Returns:
        crop: `[h, w]` bool.
        padding: `[2, 2]` int32, pixels before and after the crop along each axis of the image.
    """
    mask, box = mask_paste.placed(mask, box, method=rules.mask_paste, maths=ops)
    method = "bilinear" if rules.mask_paste == "expanded" else rules.mask_paste
    start = tf.maximum(tf.cast(tf.floor(box[:2]), tf.int32), 0)
    end = tf.minimum(tf.cast(tf.math.ceil(box[2:]), tf.int32), [height, width])
    start = tf.minimum(start, end)
    # subtracting whole pixels is exact in float32, so every pixel has the same value as when pasted into the image
    shifted = box - tf.cast(tf.tile(start, [2]), tf.float32)
    sides = end - start
    values = mask_ops.paste_masks(mask[None], shifted[None], height=sides[0], width=sides[1], method=method)[0]
    return values >= rules.mask_threshold, tf.stack([start, tf.stack([height, width]) - end], axis=1)


def _raw(image: Tensor, model: Exportable) -> tuple[RawDetections, Fitted]:
    """Runs the network on an image; the fields of the detections have no batch axis."""
    settings = model.settings
    fitted = fit(
        image,
        min_dim=settings.min_dim,
        max_dim=settings.max_dim,
        method=settings.image_resize,
        shape=settings.shape,
        fit_rule=rule(settings.fit),
    )
    fields = model.detect(fitted.images, fitted.windows)
    return outputs.unnamed({name: value[0] for name, value in fields.items()}, maps=settings.maps), fitted


def _new_sides(sides: Tensor, *, min_dim: int, max_dim: int, fit_rule: Fit) -> Tensor:
    """Computes the sides `[2]` float64 of the resized image.

    In float64 and rounded as in Python, they are the whole numbers of `images.fit.fitted` for every size.
    """
    round_sides = _ROUND[fit_rule.rounding]
    shortest = tf.minimum(sides[0], sides[1])  # OpenVINO 2026.4 computes min_dim / reduce_min(sides) upside down
    scale = min_dim / shortest
    if not fit_rule.shrinks:
        scale = tf.maximum(tf.constant(1.0, tf.float64), scale)
    longest = tf.reduce_max(sides) * scale
    is_too_long = (longest if fit_rule.shrinks else round_sides(longest)) > max_dim
    scale = tf.where(is_too_long, max_dim / tf.reduce_max(sides), scale)
    return tf.clip_by_value(round_sides(sides * scale), 1.0, float(max_dim))


def _boxes_to_original(boxes: Tensor, fitted: Fitted, *, rounding: str) -> Tensor:
    moved = tf.cast(boxes, tf.float64) - tf.tile(fitted.offset_yx, [2])
    if rounding == "at_end":
        factor = tf.tile((fitted.old_hw - 1) / tf.maximum(fitted.new_hw - 1, 1), [2])
        last = tf.constant([0, 0, 1, 1], tf.float64)
        return tf.round((moved - last) * factor + last)
    factor = tf.tile(fitted.old_hw / fitted.new_hw, [2])
    if rounding == "before_nms":
        moved = moved * tf.reduce_min(factor)
        return tf.sign(moved) * tf.floor(tf.abs(moved))
    return moved * factor


def _extras_to_original(raw: RawDetections, fitted: Fitted) -> dict[str, Tensor]:
    factor = fitted.old_hw / fitted.new_hw
    shift = tf.cast(-fitted.offset_yx * factor, tf.float32)
    return extras.in_graph(raw.extras, scale=tf.cast(factor, tf.float32), shift=shift)


def _exact(image: Tensor, new_hw: Tensor) -> Tensor:
    return tf.image.resize(image[None], new_hw, method="bilinear", antialias=False)[0]


def _smoothed(image: Tensor, new_hw: Tensor) -> Tensor:
    """Resizes along rows first, with antialiasing, and rounds after each pass, as Pillow does.

    An image of float32 is resized without the operator that other formats lack.
    """
    resize_sides = _resized_by_operator if image.dtype == tf.uint8 else _resized_by_products
    for sides in ((tf.shape(image)[0], new_hw[1]), (new_hw[0], new_hw[1])):
        image = tf.clip_by_value(tf.floor(resize_sides(image, sides) + 0.5), 0.0, 255.0)
    return image


def _resized_by_operator(image: Tensor, sides: tuple[Tensor, Tensor]) -> Tensor:
    return tf.image.resize(image[None], sides, method="bilinear", antialias=True)[0]


def _resized_by_products(image: Tensor, sides: tuple[Tensor, Tensor]) -> Tensor:
    """Resizes as `_resized_by_operator` by two products with the matrices of the weights."""
    height, width = tf.unstack(tf.shape(image)[:2])
    columns = _antialiasing(width, sides[1])[None] @ image  # [1, new W, W] @ [H, W, channels]
    rows = _antialiasing(height, sides[0]) @ tf.reshape(columns, [height, -1])
    return tf.reshape(rows, [*sides, image.shape[-1]])


def _antialiasing(old: Tensor, new: Tensor) -> Tensor:
    """Computes the weights `[new, old]` float32 of the pixels of a side for those of the resized side.

    They are a triangle around each new pixel's middle, as wide as two pixels, old or new, whichever are larger.
    """
    step = tf.cast(old, tf.float64) / tf.cast(new, tf.float64)
    middles = (tf.cast(tf.range(new), tf.float64) + 0.5) * step
    places = tf.cast(tf.range(old), tf.float64) + 0.5
    weights = tf.maximum(1.0 - tf.abs(places[None] - middles[:, None]) / tf.maximum(step, 1.0), 0.0)
    return tf.cast(weights / tf.reduce_sum(weights, axis=1, keepdims=True), tf.float32)


def _truncated(image: Tensor, new_hw: Tensor) -> Tensor:
    """Resizes bilinearly with zero padding and truncates to whole numbers.

    Results below the image's smallest value, which the padding can cause, are raised to it.
    """
    values = tf.cast(image, tf.float64)
    least = tf.reduce_min(values)
    for axis in (0, 1):
        old, new = tf.shape(image)[axis], new_hw[axis]
        places = (tf.cast(tf.range(new), tf.float64) + 0.5) * tf.cast(old, tf.float64) / tf.cast(new, tf.float64) + 0.5
        low = tf.floor(places)
        share = tf.reshape(places - low, [-1, 1, 1] if axis == 0 else [1, -1, 1])
        padded = tf.pad(values, [[1, 1], [0, 0], [0, 0]] if axis == 0 else [[0, 0], [1, 1], [0, 0]])
        index = tf.cast(low, tf.int32)  # index on the padded axis, where pixel i is at i + 1
        below, above = tf.gather(padded, index, axis=axis), tf.gather(padded, tf.minimum(index + 1, old + 1), axis=axis)
        values = below * (1 - share) + above * share
    return tf.cast(tf.floor(tf.maximum(values, least)), tf.float32)
