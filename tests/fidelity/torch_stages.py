"""torchvision's detection, stage by stage: each is fed torchvision's own input of that stage where it is stored.

A stage takes a `TorchSession` and yields the comparisons it makes. Those of `STORED` need no pass over the photograph.
"""

from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from mrcnn.predict import postprocess
from mrcnn.structures import RawDetections
from tests.fidelity import gates, torch_gates, torch_reference
from tests.fidelity.gates import Result
from tests.fidelity.torch_gates import Found
from tests.fidelity.torch_session import TorchSession

# how many of the stored anchors, moved by their deltas, are among the stored proposals
PROPOSED = {"maskrcnn_resnet50_fpn": 3, "maskrcnn_resnet50_fpn_v2": 6}

Stage = Callable[[TorchSession], Iterator[Result]]


def preprocessing(session: TorchSession) -> Iterator[Result]:
    """Resizing, normalising and padding of the photograph."""
    pixels = np.asarray(session.model._pixels(session.batch))[0]
    yield gates.close("model input", pixels.shape[:2], torch_reference.INPUT, torch_gates.EXACT)
    yield gates.close("window", session.prepared.windows[0], torch_reference.WINDOW, torch_gates.EXACT)
    yield gates.close("pixels", pixels[::64, ::16], session.expected["input_sample"], torch_gates.PIXELS)


def anchors(session: TorchSession) -> Iterator[Result]:
    """The anchors of all levels."""
    sides = [(200, 304), (100, 152), (50, 76), (25, 38), torch_reference.COARSEST]
    maps = tuple(tf.zeros((1, *side, 1)) for side in sides)
    got = np.asarray(session.model.rpn.anchors(maps, image_size=torch_reference.INPUT))
    rows = session.expected["rpn_index"]
    yield gates.close("anchors", got[rows], session.expected["anchors"], torch_gates.EXACT)


def rpn_from_stored_map(session: TorchSession) -> Iterator[Result]:
    """The RPN's outputs in a corner of the coarsest map, away from the cut edges."""
    corner = np.moveaxis(session.expected["corner_pool"], 0, -1)[None]
    network = session.model.rpn.network
    logits, deltas = network((tf.constant(corner),))
    whole = torch_reference.CORNER - len(network.shared)  # cells that see nothing of the cut edges
    yield from _rpn_rows(session, logits, deltas, cells=whole)


def _rpn_rows(session: TorchSession, logits: tf.Tensor, deltas: tf.Tensor, *, cells: int) -> Iterator[Result]:
    side, (rows, columns) = torch_reference.CORNER, torch_reference.COARSEST
    count = torch_reference.COARSEST_ANCHORS
    for what, got, expected in (
        ("logits", logits[0, :, 1:], session.expected["rpn_objectness"][-count:, None]),
        ("deltas", deltas[0], session.expected["rpn_deltas"][-count:]),
    ):
        ours = np.reshape(got, (side, side, 3, -1))[:cells, :cells]
        theirs = expected.reshape(rows, columns, 3, -1)[:cells, :cells]
        yield gates.close(what, ours, theirs, torch_gates.RPN)


def proposals_of_stored_anchors(session: TorchSession) -> Iterator[Result]:
    """The proposals of stored logits and deltas: of the few that torchvision proposes too, none is missing."""
    arrays, count = session.expected, len(session.expected["anchors"])
    logits = arrays["rpn_objectness"]
    got = session.model.rpn.proposals(
        tf.constant(arrays["anchors"]),
        tf.constant(np.stack([np.zeros_like(logits), logits], axis=-1)[None]),
        tf.constant(arrays["rpn_deltas"][None]),
        level_sizes=(count,),
        limits=tf.constant([[torch_reference.WINDOW]], tf.float32),
        count=count,
    )
    boxes = np.asarray(got.boxes)[0][np.asarray(got.valid)[0]]
    distance = np.abs(boxes[:, None] - arrays["proposals"][None]).max(axis=-1).min(axis=1)
    found = int((distance <= torch_gates.NEAR).sum())
    yield gates.close("number among the stored ones", found, PROPOSED[session.name], torch_gates.EXACT)


def box_head_from_stored_regions(session: TorchSession) -> Iterator[Result]:
    """The box head on the stored features of a region."""
    yield from _box_head(session, tf.constant(session.expected["first_pooled"][None]))


def unmolding_from_stored_logits(session: TorchSession) -> Iterator[Result]:
    """Stored boxes and mask logits of the model input, moved into the photograph."""
    arrays = session.expected
    count = len(arrays["mask_logits"])
    raw = RawDetections(
        boxes=arrays["boxes_resized"][:count],
        class_ids=arrays["labels"][:count].astype(np.int32),
        scores=arrays["scores"][:count],
        valid=np.ones(count, bool),
        masks=np.asarray(tf.sigmoid(arrays["mask_logits"])),
    )
    got = postprocess.to_original(
        raw,
        session.prepared.plans[0],
        image_size=torch_reference.photograph().shape[:2],
        class_names=session.predictor.bundle.class_names,
        rules=session.predictor.bundle.output_rules,
    )
    yield from torch_gates.detections(Found(got.boxes, got.class_ids, got.scores, got.masks), _stored(session, count))


def features(session: TorchSession) -> Iterator[Result]:
    """The pyramid's maps."""
    for name, feature in zip(torch_reference.MAPS, session.pyramid, strict=True):
        values = np.moveaxis(np.asarray(feature)[0], -1, 0)
        rows, columns, channels = session.expected[f"stride_{name}"]
        sample = values[::channels, ::rows, ::columns]
        yield gates.close(f"{name}, sampled", sample, session.expected[f"sample_{name}"], torch_gates.FEATURES)
        moments = [values.mean(dtype=np.float64), values.std(dtype=np.float64)]
        stored = session.expected[f"stats_{name}"]
        yield gates.close(f"{name}, mean and deviation", moments, stored, torch_gates.FEATURES)


def rpn(session: TorchSession) -> Iterator[Result]:
    """The RPN's outputs, from the image on."""
    scored, rows = session.proposed[0], session.expected["rpn_index"]
    logits = np.asarray(scored.objectness_logits)[0, rows]
    deltas = np.asarray(scored.anchor_deltas)[0, rows]
    yield gates.close("logits", logits[:, 1] - logits[:, 0], session.expected["rpn_objectness"], torch_gates.RPN)
    yield gates.close("deltas", deltas, session.expected["rpn_deltas"], torch_gates.RPN)


def proposals(session: TorchSession) -> Iterator[Result]:
    """The proposals, from the image on."""
    got = session.proposed[1]
    boxes = np.asarray(got.boxes)[0][np.asarray(got.valid)[0]]
    yield gates.close("number", len(boxes), len(session.expected["proposals"]), torch_gates.EXACT)
    yield gates.as_set("boxes", boxes, session.expected["proposals"], torch_gates.PROPOSALS, near=torch_gates.NEAR)
    extent = session.expected["proposals"].max(axis=0)
    yield gates.close("where they end", boxes.max(axis=0, initial=0), extent, torch_gates.BOXES)


def regions(session: TorchSession) -> Iterator[Result]:
    """RoIAlign 7 x 7 of stored proposals."""
    arrays = session.expected
    expected = np.moveaxis(arrays["pooled"], 1, -1)
    boxes = arrays["head_rois"][: len(expected)]
    got = np.asarray(_crop(session, session.model.box.features, boxes))
    yield gates.close("features", got[..., :: arrays["pooled_every"]], expected, torch_gates.FEATURES)


def box_head(session: TorchSession) -> Iterator[Result]:
    """The box head for stored proposals, cut from our own maps."""
    yield from _box_head(session, _crop(session, session.model.box.features, session.expected["head_rois"]))


def mask_head(session: TorchSession) -> Iterator[Result]:
    """The mask head for stored detections, cut from our own maps."""
    arrays, head = session.expected, session.model.head("mask")
    expected = arrays["mask_logits"]
    count = len(expected)
    logits = np.asarray(head.network(_crop(session, head.features, arrays["boxes_resized"][:count])))
    own = logits[np.arange(count), :, :, arrays["labels"][:count]]
    yield gates.close("logits of the own class", own, expected, torch_gates.MASK_LOGITS)


def detections(session: TorchSession) -> Iterator[Result]:
    """The detections in the model input, from the image on."""
    raw, arrays = session.raw, session.expected
    got = Found(*(field[raw.valid] for field in (raw.boxes, raw.class_ids, raw.scores)))
    yield from torch_gates.detections(got, Found(arrays["boxes_resized"], arrays["labels"], arrays["scores"]))


def whole_photograph(session: TorchSession) -> Iterator[Result]:
    """The detections in the photograph, from its pixels on, as a user gets them."""
    (got,) = session.predictor.predict([torch_reference.photograph()])
    yield from torch_gates.detections(Found(got.boxes, got.class_ids, got.scores, got.masks), _stored(session))


STORED: tuple[Stage, ...] = (
    preprocessing,
    anchors,
    rpn_from_stored_map,
    proposals_of_stored_anchors,
    box_head_from_stored_regions,
    unmolding_from_stored_logits,
)
FROM_THE_IMAGE: tuple[Stage, ...] = (
    features,
    rpn,
    proposals,
    regions,
    box_head,
    mask_head,
    detections,
    whole_photograph,
)
STAGES = STORED + FROM_THE_IMAGE


def _stored(session: TorchSession, count: int | None = None) -> Found:
    """Lists torchvision's first `count` detections in the photograph, but for those without a pixel, which we drop."""
    arrays, masks = session.expected, torch_reference.masks(session.name)[:count]
    drawn = masks.any(axis=(1, 2))
    boxes, class_ids, scores = (arrays[name][:count][drawn] for name in ("boxes", "labels", "scores"))
    return Found(boxes, class_ids, scores, masks[drawn])


def _crop(session: TorchSession, cut: keras.layers.Layer, boxes: np.ndarray) -> tf.Tensor:
    """Cuts boxes `[P, 4]` out of the model's own maps."""
    return cut(
        session.pyramid[:4], tf.constant(boxes), tf.zeros(len(boxes), tf.int32), image_size=torch_reference.INPUT
    )


def _box_head(session: TorchSession, pooled: tf.Tensor) -> Iterator[Result]:
    logits, deltas = session.model.box.network(pooled)
    count = len(pooled)
    arrays = session.expected
    yield gates.close("class logits", logits, arrays["head_class_logits"][:count], torch_gates.HEAD)
    yield gates.close("deltas", deltas, arrays["head_box_regression"][:count], torch_gates.HEAD)
