"""How often the differences from Matterport that no setting takes away occur in the stored data, and what they do.

python -m tests.fidelity.leftovers
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from skimage import data

from mrcnn.data import batching, rasterize
from mrcnn.data.batching import Shapes
from mrcnn.export import graph
from mrcnn.export import pictures as export_pictures
from mrcnn.ops import box_coding, levels
from mrcnn.predict import preprocess
from mrcnn.structures import Instances
from tests.fidelity import effects, reference, training_stages
from tests.fidelity.report import open_session
from tests.fidelity.session import GT_SLOTS, Session, compute_step, training_batch

PROBABILITY_FLOOR = 1e-7  # Keras' epsilon: the probabilities that Matterport's mask loss sees are this far from 0 and 1
STRIDES = {2: 4, 3: 8, 4: 16, 5: 32}

Finding = tuple[str, str]


def tied_anchors(session: Session) -> Iterator[Finding]:
    """Which anchors are an object's best is up to the last bits where IoUs tie."""
    arrays = reference.training()
    state, best = training_stages.matched_states(session)
    tied = best.any(axis=1)
    differing = state != reference.anchor_state(arrays["rpn_match_unsampled"])
    yield "anchors that tie for an object's best IoU within 1e-6", f"{tied.sum()} of {len(tied)}"
    yield "of these matched otherwise than by Matterport", f"{(differing & tied).sum()}"
    yield "other anchors matched otherwise", f"{(differing & ~tied).sum()}"
    losses = effects.learn(session.model, stored_sample=True).losses
    stored = dict(zip(arrays["loss_names"], arrays["losses"], strict=True))
    for name in reference.LOSSES:
        yield f"{name} with our matching, with Matterport's", f"{losses[name]:.4f}, {stored[name]:.4f}"


def exponents(session: Session) -> Iterator[Finding]:
    """Predicted log scales, which are clamped before the exponential."""
    outputs = session.step.outputs
    std = session.model.settings.rpn_delta_std
    largest = max(np.asarray(deltas)[..., 2:].max() for deltas in (outputs.rpn.anchor_deltas, outputs.box.box_deltas))
    yield f"largest log scale; clamped at {box_coding.MAX_LOG_SCALE:.2f}", f"{largest * std[2]:.2f}"


def mask_probabilities(session: Session) -> Iterator[Finding]:
    """Mask probabilities, which Matterport's loss keeps away from 0 and 1."""
    logits = np.abs(np.asarray(session.step.outputs.heads[0].mask_logits))
    limit = np.log(1 / PROBABILITY_FLOOR - 1)
    yield f"largest mask logit; beyond {limit:.1f} Matterport's loss is flat", f"{logits.max():.1f}"


def empty_masks(session: Session) -> Iterator[Finding]:
    """Stored detections that we would drop."""
    masks = effects.stored_detections().masks
    yield "stored detections without a pixel", f"{(~masks.any(axis=(1, 2))).sum()} of {len(masks)}"


def border_samples(session: Session) -> Iterator[Finding]:
    """Proposals that end with the image, whose last row or column TensorFlow's rounding may read as 0."""
    shares = reference.inference()["rpn_rois"]
    level = np.asarray(levels.assign_levels(shares * np.float32(reference.SIDE)))
    ends = (shares[:, 2:] == 1).any(axis=1)
    zeroed = np.zeros(len(shares), bool)
    for number, stride in STRIDES.items():
        cells = tf.ones([1, reference.SIDE // stride, reference.SIDE // stride, 1])
        (index,) = np.nonzero(level == number)
        cropped = tf.image.crop_and_resize(cells, shares[index], np.zeros(len(index), np.int32), (7, 7))
        zeroed[index] = np.asarray(cropped).min(axis=(1, 2, 3)) < 0.5
    yield "proposals that end with the image", f"{ends.sum()} of {len(ends)}"
    yield "of these with a row or column of zeros in TensorFlow's crop", f"{zeroed.sum()}"


def exported_pixels(session: Session) -> Iterator[Finding]:
    """Values that the exported graph's resizing cuts to another whole number than the live reader."""
    pictures = {item.name: item.image for item in export_pictures.bundled_pictures(max_dim=reference.SIDE, channels=3)}
    pictures["coffee"] = reference.inference()["image"]
    side = {"min_dim": reference.SIDE, "max_dim": reference.SIDE}
    for method in ("truncated", "smoothed"):
        shares, largest = {}, 0.0
        for name, image in pictures.items():
            live = preprocess.prepare([image], **side, image_resize=method)[0].images
            difference = np.abs(graph.fit(tf.constant(image), **side, method=method).images.numpy() - live)
            shares[name], largest = float((difference > 0).mean()), max(largest, float(difference.max()))
        worst = max(shares, key=lambda name: shares[name])
        yield (
            f"values that the exported graph gives otherwise, {method}; largest share and difference",
            f"{100 * shares[worst]:.3f} % ({worst}), {largest:g}",
        )


def annotations(session: Session) -> Iterator[Finding]:
    """The same annotated masks through our reader of projects instead of Matterport's."""
    batch, before = own_batch(), training_batch()
    valid = np.asarray(before["gt_valid"] | before["gt_ignore"])[0]
    shift = np.abs(np.asarray(batch["gt_boxes"]) - before["gt_boxes"])[0][valid]
    yield "largest shift of an object's edge, pixels of the model input", f"{shift.max():.2f}"
    ours, theirs = (np.asarray(given["gt_masks"])[0][valid] >= 128 for given in (batch, before))
    iou = (ours & theirs).sum(axis=(1, 2)) / (ours | theirs).sum(axis=(1, 2))
    yield "IoU of the objects' 56 x 56 masks, smallest and mean", f"{iou.min():.3f}, {iou.mean():.3f}"
    with effects.near_the_stored_sample():
        got, old = (compute_step(session.model, given).losses for given in (batch, before))
    for name in reference.LOSSES:
        yield f"change of {name}", effects.percent(got[name] / old[name] - 1)


def own_batch() -> dict[str, tf.Tensor]:
    """Makes the batch of the stored step from the masks in the photograph."""
    arrays = reference.training()
    masks = reference.unpack(arrays, "load_mask").transpose(2, 0, 1)
    class_ids = arrays["load_mask_class_ids"]
    corners = [tuple(axis.min() for axis in np.nonzero(mask)) for mask in masks]
    tight = [mask[np.ix_(mask.any(axis=1), mask.any(axis=0))] for mask in masks]
    instances: Instances = rasterize.from_masks(
        masks=tight, corners=corners, class_ids=np.maximum(class_ids, 0), ignore=class_ids < 0
    )
    side = reference.SIDE
    shapes = Shapes(side, side, 3, GT_SLOTS, reference.MASK_SLOTS, "truncated")
    example = batching.make_example(data.astronaut(), instances, shapes=shapes, image_id=0, seed=0)
    return {name: tf.constant(value[None]) for name, value in example.items()}


TOPICS = (tied_anchors, exponents, mask_probabilities, empty_masks, border_samples, exported_pixels, annotations)


def main() -> None:
    """Prints a table."""
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(Path(folder) / "model.h5")
    print("| what | found |\n| --- | --- |")
    for topic in TOPICS:
        for what, found in topic(session):
            print(f"| {what} | {found} |", flush=True)


if __name__ == "__main__":
    main()
