"""Computes with one back end what the tests of this folder compare, and writes it as arrays.

    KERAS_BACKEND=jax python -m tests.backends.worker detections FOLDER OUT.npz
    KERAS_BACKEND=jax python -m tests.backends.worker training FOLDER OUT.npz
    KERAS_BACKEND=jax python -m tests.backends.worker heads FOLDER OUT.npz
    KERAS_BACKEND=jax python -m tests.backends.worker arrays FOLDER OUT.npz

FOLDER is a model folder. It needs neither TensorFlow nor pytest.
"""

import sys
from pathlib import Path

import keras
import numpy as np

from mrcnn.config.tta import TtaConfig
from mrcnn.models.keras_internals import skip_symbolic_build
from mrcnn.ops.backend.current import native
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.tta.predictor import predictor_of
from mrcnn.structures import Batch
from tests.backends import gradients

CHOICES = {"score_threshold": 0.2, "detection_nms_iou_threshold": 0.6, "detections_per_image": 5}
STEPS = 20


def images():
    """Makes pictures of several sizes: coloured squares of 16 pixels, the same ones everywhere."""
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 256, (rows, columns, 3), np.uint8).repeat(16, axis=0).repeat(16, axis=1)
        for rows, columns in ((4, 6), (6, 4))
    ]


def detections(folder):
    """Detects with each kind of run-time choices and with test-time augmentation.

    Returns:
        Arrays by name: the raw fields of each batch, and the numbers of a whole prediction.
    """
    predictor = Predictor.load(folder, score_threshold=0.0)
    chosen, views = predictor.with_choices(**CHOICES), TtaConfig(min_dims=(64,), max_dim=128)
    cases = {
        "plain": (predictor, images()),
        "choices": (chosen, images()[:1]),
        "views": (predictor_of(predictor.bundle, views), images()[:1]),
    }
    found = {}
    for name, (each, pictures) in cases.items():
        for number, batch_of_one in enumerate(each.prepare(pictures)):
            found |= {f"{name}/{number}/{key}": value for key, value in _raw(each.detect(batch_of_one)).items()}
    [one] = chosen.predict(images()[:1])
    return found | {f"image/{key}": getattr(one, key) for key in ("boxes", "class_ids", "scores", "masks")}


def _raw(raw):
    """Lists the fields of raw detections; those of test-time augmentation are one record for each image."""
    if isinstance(raw, list):
        return {f"{number}/{key}": value for number, one in enumerate(raw) for key, value in _raw(one).items()}
    fields = {**raw._asdict(), **raw.extras, **raw.maps}
    return {key: value for key, value in fields.items() if key not in ("extras", "maps")}


def batch(config):
    """Makes a batch of two rectangular images with objects, a crowd and unused slots.

    Args:
        config: settings of the model, whose heads may need further fields.
    """
    rng = np.random.default_rng(1)
    boxes = np.float32(
        [[[8, 8, 40, 60], [20, 50, 60, 120], [0, 90, 30, 128]], [[4, 30, 60, 90], [0, 0, 24, 40], [0] * 4]]
    )
    crowd = np.array([[False, False, True], [False] * 3])
    used = np.array([[True, True, False], [True, True, False]])
    fields = Batch(
        images=rng.integers(0, 256, (2, 4, 8, 3)).repeat(16, axis=1).repeat(16, axis=2).astype(np.float32),
        windows=np.float32([[0, 0, 64, 128], [0, 0, 60, 112]]),
        gt_boxes=boxes,
        gt_class_ids=np.int32([[1, 2, 0], [3, 1, 0]]),
        gt_masks=rng.integers(0, 256, (2, 3, 14, 14)).astype(np.uint8),
        gt_valid=used,
        gt_ignore=crowd,
        neutral=np.zeros((2, 64, 128), bool),
        image_ids=np.int32([0, 1]),
        seeds=np.int32([7, -8]),
    )
    return {**fields._asdict(), **_further(config, rng, boxes)}


def _further(config, rng, boxes):
    """Makes the fields of the heads: a map of stuff, keypoints, and labelled points of masks."""
    found, stuff = {}, len(config.stuff_classes)
    if stuff:
        found["gt_semantic"] = (
            rng.integers(0, stuff + 1, (2, 16, 32)).repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)
        )
    counts = {"gt_mask_points": 6} if config.needs else {}
    if config.keypoints:
        counts["gt_keypoints"] = len(config.keypoints.names)
    for name, count in counts.items():
        shares = rng.uniform(0, 1, (2, 3, count, 2))  # of the sides of the object's box
        places = boxes[:, :, None, 1::-1] + shares * (boxes[:, :, None, :1:-1] - boxes[:, :, None, 1::-1])  # x, y
        labels = rng.integers(0, 2, (2, 3, count, 1))
        found[name] = np.concatenate([places, labels], axis=-1).astype(np.float32)
    return found


class Batches(keras.utils.PyDataset):
    """The same batch again and again."""

    def __init__(self, fields):
        """Stores the batch."""
        super().__init__()
        self._fields = fields

    def __len__(self):
        """One batch an epoch."""
        return 1

    def __getitem__(self, index):
        """Returns the batch."""
        return (self._fields,)


def training(folder):
    """Computes the losses and gradients of a batch, and the losses of steps of training.

    Returns:
        Arrays by name.
    """
    bundle = Predictor.load(folder).bundle
    model, fields = bundle.model, batch(bundle.config)
    losses, slopes = gradients.of(model, fields)
    found = {f"loss/{name}": value for name, value in losses.items()}
    found |= {f"gradient/{name}": value for name, value in slopes.items()}
    model.compile(optimizer=keras.optimizers.SGD(1e-3, momentum=0.9, global_clipnorm=5.0))
    skip_symbolic_build(model)
    history = model.fit(Batches(fields), epochs=STEPS, verbose=0).history
    return found | {f"steps/{name}": np.array(values) for name, values in history.items()}


def heads(folder, *, fixed=None):
    """Computes the raw detections of a batch, its losses and their gradients.

    Args:
        folder: the model.
        fixed: whether heads run on all slots; None for what the back end prefers.

    Returns:
        Arrays by name.
    """
    bundle, fields = _opened(folder)
    model = bundle.model
    model.use_fixed_slots(native.prefers_fixed_shapes() if fixed is None else fixed)

    seen = {name: fields[name] for name in ("images", "windows")}

    def detect(*values):
        return _raw(model(dict(zip(seen, values, strict=True)), choices=bundle.choices))

    inputs = [((None, *value.shape[1:]), str(value.dtype)) for value in seen.values()]
    raw = native.compiled(detect, inputs, weights=lambda: model.variables)(*seen.values())
    losses, slopes = gradients.of(model, fields)
    return _named({"raw": raw, "loss": losses, "gradient": slopes})


def arrays(folder):
    """Calls the model and its methods with NumPy arrays.

    Returns:
        Arrays by name.
    """
    bundle, fields = _opened(folder)
    model, choices = bundle.model, {"choices": bundle.choices}
    images, windows = fields["images"].astype(np.uint8), fields["windows"].astype(np.int64)
    doubles = {name: value.astype(float) if value.dtype == np.float32 else value for name, value in fields.items()}
    given = {"boxes": doubles["gt_boxes"], "class_ids": fields["gt_class_ids"], "valid": fields["gt_valid"]}
    losses, raw = model.validate(doubles)
    return _named(
        {
            "images": _raw(model(images, **choices)),
            "batch": _raw(model({"images": images, "windows": windows}, **choices)),
            "boxes": _raw(model.detect_boxes({"images": images, "windows": windows}, **choices)),
            "masks": model.describe_boxes({"images": images, "windows": windows}, **given),
            "validation": _raw(raw),
            "loss": losses,
        }
    )


def _opened(folder):
    """Loads a model whose detections have any score, with a batch for it."""
    bundle = Predictor.load(folder, score_threshold=0.0).bundle
    if bundle.config.uses_class_counts:
        bundle.model.count_classes((0, 5, 1, 2))
    fields = batch(bundle.config)
    # of multiples of 7 no mean with weights in 256ths is 127.5, where rounding would decide the mask's target
    return bundle, {**fields, "gt_masks": fields["gt_masks"] // 7 * 7}


def _named(values):
    """Converts nested dictionaries of tensors to arrays by their joined names."""
    return {
        f"{group}/{name}": keras.ops.convert_to_numpy(value)
        for group, of_group in values.items()
        for name, value in of_group.items()
    }


def main(what, folder, out):
    """Writes the arrays of one of the functions above."""
    functions = {"detections": detections, "training": training, "heads": heads, "arrays": arrays}
    found = functions[what](Path(folder))
    np.savez(out, **found)
    print(keras.config.backend(), "tensorflow" in sys.modules)


if __name__ == "__main__":
    main(*sys.argv[1:])
