"""A training step, stage by stage: targets, losses and gradients, in the forms of `inference_stages`."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from mrcnn.heads.box import loss
from mrcnn.heads.rpn.targets import AnchorTargetGenerator
from mrcnn.structures import AnchorTargets, Proposals, RoiTargets
from tests.fidelity import gates, reference
from tests.fidelity.gates import Result
from tests.fidelity.inference_stages import INNER_SIZE, Stage
from tests.fidelity.session import Session, Step, first_in_order, training_batch

ROIS = 200  # slots of the sample of regions
TIE = 1e-6  # of IoU: several roundings of float32


def anchor_matching(session: Session) -> Iterator[Result]:
    """Which anchors are objects, background or neither, a crowd among the instances; no sampling."""
    state, best = matched_states(session)
    tied = best.any(axis=1)
    expected = reference.anchor_state(reference.training()["rpn_match_unsampled"])
    yield gates.close("states, ties for an object's best anchor aside", state[~tied], expected[~tied], gates.EXACT)
    claimed = (best & (state == 1)[:, None]).any(axis=0)
    yield gates.close("objects without an anchor", (~claimed).sum(), 0, gates.EXACT)
    yield gates.close("tied anchors called background", (state[tied] == 0).sum(), 0, gates.EXACT)


def anchor_deltas(session: Session) -> Iterator[Result]:
    """The deltas of all anchors that Matterport calls objects."""
    arrays = reference.training()
    objects = np.flatnonzero(arrays["rpn_match_unsampled"] == 1)
    got = _all_anchor_targets(session, positive_iou=0.5)  # less than the best IoU of every object
    deltas = np.asarray(got.deltas)[0, objects]
    yield gates.close("deltas", deltas, arrays["rpn_bbox_unsampled"], gates.TARGETS)


def roi_sampling(session: Session) -> Iterator[Result]:
    """The regions drawn from stored proposals, the first in order, and what the box head should say of them."""
    arrays, got = reference.training(), _sampled(session)
    yield gates.close("regions", got.rois[0] / INNER_SIZE[0], arrays["target_rois"], gates.BOXES)
    yield gates.close("class ids", got.class_ids[0], arrays["target_class_ids"], gates.EXACT)
    yield gates.close("deltas", got.deltas[0], arrays["target_deltas"], gates.TARGETS)


def mask_targets(session: Session) -> Iterator[Result]:
    """The masks of the drawn object regions."""
    arrays, targets = reference.training(), _sampled(session)
    objects = np.flatnonzero(arrays["target_class_ids"])
    index = (tf.zeros(len(objects), tf.int32), tf.constant(objects, tf.int32))
    got = session.model.head("mask").targets(targets, _inner_batch(), index, pixel_rois=targets.rois[0][: len(objects)])
    yield gates.close("cells", got.masks, reference.unpack(arrays, "target_masks")[objects], gates.EXACT)


def losses_from_stored_outputs(session: Session) -> Iterator[Result]:
    """The box head's two losses of stored logits and deltas."""
    arrays = reference.training()
    class_ids = arrays["target_class_ids"]
    targets = RoiTargets(
        rois=None,
        class_ids=tf.constant(class_ids[None]),
        deltas=tf.constant(arrays["target_deltas"][None]),
        matched_idx=None,
        valid=_sampled(session).valid,
    )
    deltas = np.zeros((1, ROIS, reference.CLASSES, 4), np.float32)
    deltas[0, np.arange(ROIS), class_ids] = arrays["out_mrcnn_bbox_own"]
    expected = _stored_losses()
    got = loss.mrcnn_class_loss(tf.constant(arrays["out_mrcnn_class_logits"][None]), targets)
    yield gates.relative("mrcnn_class_loss", got, expected["mrcnn_class_loss"], gates.LOSS)
    got = loss.mrcnn_bbox_loss(tf.constant(deltas), targets)
    yield gates.relative("mrcnn_bbox_loss", got, expected["mrcnn_bbox_loss"], gates.LOSS)


def outputs(session: Session) -> Iterator[Result]:
    """The predictions, from the image on."""
    arrays, step = reference.training(), session.step
    rows, got = arrays["rpn_index"], step.outputs
    yield gates.close(
        "RPN logits", np.asarray(got.rpn.objectness_logits)[0, rows], arrays["out_rpn_class_logits"], gates.RPN
    )
    yield gates.close("RPN deltas", np.asarray(got.rpn.anchor_deltas)[0, rows], arrays["out_rpn_bbox"], gates.RPN)
    (proposals,) = step.given["proposal_generator"]
    shares = np.asarray(proposals.boxes)[0] / INNER_SIZE[0]
    yield gates.as_set("proposals", shares, arrays["rpn_rois"], gates.PROPOSALS)
    rois = (np.asarray(got.box.targets.rois)[0] - reference.SHIFT) / INNER_SIZE[0]
    yield gates.as_set("drawn regions", rois, arrays["target_rois"], gates.EXACT)
    slot = _nearest(rois, arrays["target_rois"])
    own = np.asarray(got.box.box_deltas)[0, slot, arrays["target_class_ids"]]
    yield gates.close(
        "class logits", np.asarray(got.box.class_logits)[0, slot], arrays["out_mrcnn_class_logits"], gates.HEAD
    )
    yield gates.close("deltas of the own class", own, arrays["out_mrcnn_bbox_own"], gates.HEAD)
    expected = arrays["out_mrcnn_mask_own"]
    drawn = slot[: len(expected)]
    masks = tf.sigmoid(got.heads[0].mask_logits).numpy()[drawn, :, :, arrays["target_class_ids"][: len(expected)]]
    yield gates.close("mask probabilities of the own class", masks, expected, gates.HEAD)


def losses(session: Session) -> Iterator[Result]:
    """The five losses, the L2 term and their sum, from the image on."""
    arrays, got = reference.training(), session.step.losses
    expected = {**_stored_losses(), "l2_loss": arrays["l2"], "loss": arrays["total"]}
    for name in (*reference.LOSSES, "l2_loss", "loss"):
        yield gates.relative(name, got[name], expected[name], gates.LOSS)


def gradients(session: Session) -> Iterator[Result]:
    """The gradients, which reach the RPN through the box targets as well."""
    yield from _gradients(session.step, suffix="", prefix="grad:")


def detached_gradients(session: Session) -> Iterator[Result]:
    """The gradients with the box targets cut off."""
    yield from _gradients(session.detached_step, suffix="_stop", prefix="gradstop:")


STAGES: tuple[Stage, ...] = (
    anchor_matching,
    anchor_deltas,
    roi_sampling,
    mask_targets,
    losses_from_stored_outputs,
    outputs,
    losses,
    gradients,
    detached_gradients,
)


def matched_states(session: Session) -> tuple[np.ndarray, np.ndarray]:
    """Computes every anchor's state `[A]`, and which anchors tie for the best IoU of which object `[A, N]`."""
    arrays = reference.training()
    (anchors,) = session.step.given["anchor_generator"]
    objects = arrays["gt_boxes"][arrays["gt_class_ids"] > 0]
    best = _ties_for_best(np.asarray(anchors, np.float64), objects.astype(np.float64))
    return np.asarray(_all_anchor_targets(session).state[0]), best


def _all_anchor_targets(session: Session, **settings: float) -> AnchorTargets:
    """Matches the stored instances as the model does, but keeps every anchor."""
    batch = training_batch()
    (anchors,) = session.step.given["anchor_generator"]
    config = {**session.model.rpn.targets.get_config(), **settings}
    everything = AnchorTargetGenerator.from_config({**config, "samples": len(anchors), "positive_fraction": 1.0})
    return everything(anchors, batch)


def _ties_for_best(anchors: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Marks `[A, N]` the anchors whose IoU with an object is its largest, to within the rounding of float32.

    Every anchor of one size that lies inside a larger object has the same IoU with it. Which of them count as its best
    is up to the last bits: Matterport's are float64, ours float32.
    """
    starts = np.maximum(anchors[:, None, :2], objects[:, :2])
    ends = np.minimum(anchors[:, None, 2:], objects[:, 2:])
    shared = np.maximum(ends - starts, 0).prod(axis=-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (anchors, objects)]
    iou = shared / (areas[0][:, None] + areas[1] - shared)
    return iou >= iou.max(axis=0) - TIE


def _sampled(session: Session) -> RoiTargets:
    boxes = reference.to_inner(reference.training()["rpn_rois"])[None]
    proposals = Proposals(
        boxes=tf.constant(boxes),
        scores=tf.zeros(boxes.shape[:2]),
        valid=tf.constant(boxes.any(axis=-1)),
    )
    with first_in_order():
        return session.model.box.targets(proposals, _inner_batch())


def _inner_batch() -> dict[str, tf.Tensor]:
    batch = training_batch()
    return {**batch, "gt_boxes": batch["gt_boxes"] - reference.SHIFT}


def _stored_losses() -> dict[str, np.ndarray]:
    arrays = reference.training()
    return dict(zip(arrays["loss_names"], arrays["losses"], strict=True))


def _nearest(boxes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Finds for each wanted box the index of the closest of `boxes`."""
    return np.abs(wanted[:, None] - boxes[None]).max(axis=-1).argmin(axis=1)


def _gradients(step: Step, *, suffix: str, prefix: str) -> Iterator[Result]:
    arrays, got = reference.training(), step.gradients
    names = arrays["weight_names"]
    norms = np.array([np.linalg.norm(got[name].astype(np.float64)) for name in names])
    yield gates.close("trained tensors", len(got), len(names), gates.EXACT)
    yield gates.relative("norm of each tensor", norms, arrays[f"grad_norms{suffix}"], gates.GRADIENT)
    yield gates.relative("norm of all", np.linalg.norm(norms), arrays[f"global_norm{suffix}"], gates.GLOBAL_GRADIENT)
    for key in arrays:
        if key.startswith(prefix):
            name = key.removeprefix(prefix)
            yield gates.gradient(f"{name}, whole", got[name], arrays[key], gates.GRADIENT)
