"""Detection, stage by stage: each is fed Matterport's own input of that stage where it is stored.

A stage takes a `Session` and yields the comparisons it makes.
"""

from collections.abc import Callable, Iterator
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from mrcnn.ops import levels
from mrcnn.predict import preprocess
from mrcnn.structures import Detections, RawDetections
from tests.fidelity import gates, reference
from tests.fidelity.gates import Result
from tests.fidelity.session import Session

BACKBONE_MAPS = ("C2", "C3", "C4", "C5")
PYRAMID_MAPS = ("P2", "P3", "P4", "P5", "P6")
INNER_SIZE = (reference.SIDE - 1, reference.SIDE - 1)  # of the image in the model's inner frame

Stage = Callable[[Session], Iterator[Result]]


def preprocessing(session: Session) -> Iterator[Result]:
    """Resizing, padding and the window of the photograph."""
    arrays, side = reference.inference(), reference.SIDE
    method = session.model.settings.image_resize
    [got] = preprocess.prepare([arrays["image"]], min_dim=side, max_dim=side, image_resize=method)
    yield gates.close("pixels of the model input", got.images[0], arrays["molded_uint8"], gates.EXACT)
    yield gates.close("window", got.windows[0], arrays["window"], gates.EXACT)
    yield gates.close("scale", np.float32(got.plans[0].scale), arrays["image_meta"][11], gates.EXACT)


def features(session: Session) -> Iterator[Result]:
    """The backbone's and the pyramid's maps."""
    arrays = reference.inference()
    (stages,), (levels,) = session.detection["backbone"], session.detection["fpn"]
    for name, feature in zip(BACKBONE_MAPS + PYRAMID_MAPS, (*stages, *levels), strict=True):
        values = np.asarray(feature)[0]
        rows, columns, channels = arrays[f"stride_{name}"]
        sample = values[::rows, ::columns, ::channels]
        yield gates.close(f"{name}, sampled", sample, arrays[f"sample_{name}"], gates.FEATURES)
        moments = [values.mean(dtype=np.float64), values.std(dtype=np.float64)]
        yield gates.close(f"{name}, mean and deviation", moments, arrays[f"stats_{name}"], gates.FEATURES)


def anchors(session: Session) -> Iterator[Result]:
    """The anchors of all levels."""
    arrays = reference.inference()
    (got,) = session.detection["anchor_generator"]
    yield gates.close("anchors", np.asarray(got)[arrays["rpn_index"]], arrays["anchors_px"], gates.TARGETS)


def rpn_from_stored_maps(session: Session) -> Iterator[Result]:
    """The RPN's outputs on the two coarsest maps."""
    arrays = reference.inference()
    maps = tuple(tf.constant(arrays[f"sample_{name}"][None]) for name in ("P5", "P6"))
    logits, deltas = (np.asarray(output)[0] for output in session.model.rpn.network(maps))
    count = len(logits)  # the stored rows end with all anchors of these maps
    yield gates.close("logits", logits, arrays["rpn_logits"][-count:], gates.RPN)
    yield gates.close("deltas", deltas, arrays["rpn_bbox"][-count:], gates.RPN)


def rpn(session: Session) -> Iterator[Result]:
    """The RPN's outputs on all maps, from the image on."""
    arrays = reference.inference()
    ((logits, deltas),) = session.detection["rpn"]
    rows = arrays["rpn_index"]
    yield gates.close("logits", np.asarray(logits)[0, rows], arrays["rpn_logits"], gates.RPN)
    yield gates.close("deltas", np.asarray(deltas)[0, rows], arrays["rpn_bbox"], gates.RPN)


def proposals(session: Session) -> Iterator[Result]:
    """The proposals, from the image on."""
    (got,) = session.detection["proposal_generator"]
    yield gates.as_set(
        "boxes", np.asarray(got.boxes)[0] / INNER_SIZE[0], reference.inference()["rpn_rois"], gates.PROPOSALS
    )


def levels_of_regions(session: Session) -> Iterator[Result]:
    """The pyramid level of each stored proposal, against the published formula."""
    boxes = reference.inference()["rpn_rois"]
    height, width = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64).T
    expected = 4 + np.round(np.log2(np.sqrt(height * width) * reference.SIDE / 224))
    seen = []
    assign = levels.assign_levels

    def assign_and_keep(*args, **kwargs):
        seen.append(assign(*args, **kwargs))
        return seen[-1]

    with mock.patch.object(levels, "assign_levels", assign_and_keep):
        _crop(session, session.model.box.features, boxes)
    yield gates.close("levels", seen[0], np.clip(expected, 2, 5), gates.EXACT)


def regions_for_boxes(session: Session) -> Iterator[Result]:
    """RoIAlign 7 x 7 of stored proposals."""
    arrays = reference.inference()
    expected = arrays["roi_align_7"]
    got = _crop(session, session.model.box.features, arrays["rpn_rois"][: len(expected)])
    yield gates.close("features", got, expected, gates.FEATURES)


def regions_for_masks(session: Session) -> Iterator[Result]:
    """RoIAlign 14 x 14 of stored detections."""
    arrays = reference.inference()
    expected = arrays["roi_align_14"]
    got = _crop(session, session.model.head("mask").features, arrays["detections"][: len(expected), :4])
    yield gates.close("features", got, expected, gates.FEATURES)


def box_head_from_stored_regions(session: Session) -> Iterator[Result]:
    """The box head on stored features."""
    arrays = reference.inference()
    yield from _box_head(session, tf.constant(arrays["roi_align_7"]))


def box_head(session: Session) -> Iterator[Result]:
    """The box head for stored proposals, cut from our own maps."""
    arrays = reference.inference()
    yield from _box_head(session, _crop(session, session.model.box.features, arrays["head_rois"]))


def mask_head_from_stored_regions(session: Session) -> Iterator[Result]:
    """The mask head on stored features."""
    regions = tf.constant(reference.inference()["roi_align_14"])
    yield from _masks(session.model.head("mask").network(regions))


def mask_head(session: Session) -> Iterator[Result]:
    """The mask head for stored detections, cut from our own maps."""
    arrays = reference.inference()
    boxes = arrays["detections"][: len(arrays["mask_probs"]), :4]
    yield from _masks(session.model.head("mask").network(_crop(session, session.model.head("mask").features, boxes)))


def detections(session: Session) -> Iterator[Result]:
    """The detections in the model input, from the image on, in order."""
    expected = reference.inference()["detections"]
    (got,) = session.detection["model"]
    count = int((expected[:, 4] > 0).sum())
    yield gates.close("number", np.asarray(got.valid)[0].sum(), count, gates.EXACT)
    class_ids, scores = np.asarray(got.class_ids)[0, :count], np.asarray(got.scores)[0, :count]
    shares = (np.asarray(got.boxes)[0, :count] - reference.SHIFT) / INNER_SIZE[0]
    yield gates.close("class ids", class_ids, expected[:count, 4], gates.EXACT)
    yield gates.close("scores", scores, expected[:count, 5], gates.DETECTIONS)
    yield gates.close("boxes", shares, expected[:count, :4], gates.DETECTIONS)


def unmolding(session: Session) -> Iterator[Result]:
    """Stored boxes and masks of the model input, moved into the photograph."""
    arrays = reference.inference()
    count = len(arrays["mask_probs"])
    found = arrays["detections"][:count]
    raw = RawDetections(
        boxes=reference.to_pixels(found[:, :4]),
        class_ids=found[:, 4].astype(np.int32),
        scores=found[:, 5],
        valid=np.ones(count, bool),
        masks=arrays["mask_probs"],
    )
    yield from _unmolded(session.to_original(raw), count)


def whole_photograph(session: Session) -> Iterator[Result]:
    """The detections in the photograph, from its pixels on, as a user gets them."""
    (got,) = session.predictor.predict([reference.inference()["image"]])
    yield from _unmolded(got, len(reference.inference()["detect_scores"]))


STAGES: tuple[Stage, ...] = (
    preprocessing,
    features,
    anchors,
    rpn_from_stored_maps,
    rpn,
    proposals,
    levels_of_regions,
    regions_for_boxes,
    regions_for_masks,
    box_head_from_stored_regions,
    box_head,
    mask_head_from_stored_regions,
    mask_head,
    detections,
    unmolding,
    whole_photograph,
)


def _crop(session: Session, features: keras.layers.Layer, boxes: np.ndarray) -> tf.Tensor:
    """Cuts Matterport's boxes `[P, 4]` out of the model's own maps of the photograph."""
    (maps,) = session.detection["fpn"]
    image_index = tf.zeros(len(boxes), tf.int32)
    size = (reference.SIDE, reference.SIDE)
    return features(maps[:4], reference.to_inner(boxes), image_index, image_size=size, extent=INNER_SIZE)


def _box_head(session: Session, regions: tf.Tensor) -> Iterator[Result]:
    arrays, head = reference.inference(), session.model.box.network
    count = len(regions)
    hidden = head.second(head.first(regions))[:, 0, 0]
    logits, deltas = head(regions)
    yield gates.close("features before the outputs", hidden, arrays["head_features"][:count], gates.HEAD)
    yield gates.close("class logits", logits, arrays["head_class_logits"][:count], gates.HEAD)
    yield gates.close("deltas", deltas, arrays["head_bbox"][:count], gates.HEAD)


def _masks(logits: tf.Tensor) -> Iterator[Result]:
    arrays, count = reference.inference(), len(logits)
    own = arrays["detections"][:count, 4].astype(int)
    probabilities = tf.sigmoid(logits).numpy()[np.arange(count), :, :, own]
    yield gates.close("probabilities of the own class", probabilities, arrays["mask_probs"][:count], gates.HEAD)


def _unmolded(got: Detections, count: int) -> Iterator[Result]:
    """Compares with the first `count` detections in the photograph."""
    arrays = reference.inference()
    masks = reference.unpack(arrays, "detect_masks").transpose(2, 0, 1)
    yield gates.close("class ids", got.class_ids, arrays["detect_class_ids"][:count], gates.EXACT)
    yield gates.close("scores", got.scores, arrays["detect_scores"][:count], gates.DETECTIONS)
    yield gates.close("boxes", got.boxes, arrays["detect_rois"][:count], gates.ONE_PIXEL)
    yield gates.overlap("masks", got.masks, masks[:count], gates.MASKS)
