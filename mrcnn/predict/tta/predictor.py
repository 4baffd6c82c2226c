"""The predictor with test-time augmentation.

The model finds boxes in each view of an image, the boxes of all views are merged, and then the heads that follow the
box head describe the merged boxes in each view anew, with the means as result. One view is in memory at a time, so its
feature pyramid is computed twice.
Shape letters: B images of a batch, D output slots.
Source: detectron2's `GeneralizedRCNNWithTTA`, which has no keypoints.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from mrcnn.config.tta import TtaConfig
from mrcnn.data import resize
from mrcnn.data.resize import ResizePlan
from mrcnn.model_folder.read import ModelBundle
from mrcnn.ops.backend.current import native
from mrcnn.ops.backend.interface import Inputs
from mrcnn.predict import model_image, postprocess, preprocess
from mrcnn.predict.live import LivePredictor, run_graph
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.preprocess import Prepared
from mrcnn.predict.staged import AnyPredictor
from mrcnn.predict.tta import merge
from mrcnn.predict.tta import views as looking
from mrcnn.predict.tta.average import Average
from mrcnn.predict.tta.merge import Boxes
from mrcnn.predict.tta.views import View
from mrcnn.structures import CompactDetections, RawDetections, SemanticRules

Images = tuple[np.ndarray, ...]  # of a batch, each `[H, W, channels]` uint8

SMALLER = "smaller `tta.min_dims`"


def predictor_of(
    bundle: ModelBundle, tta: TtaConfig | None, *, say: Callable[[str], None] = lambda line: None
) -> AnyPredictor:
    """Makes the predictor of a model, by the settings of an inference config.

    Args:
        bundle: a loaded model.
        tta: the settings of test-time augmentation; None for a `Predictor`.
        say: called with a line that lists the views.
    """
    if tta is None:
        return Predictor(bundle)
    size = bundle.input_size
    views = looking.views_of(
        tta.min_dims,
        max_dim=tta.max_dim,
        flip=tta.flip,
        usual=(size.min_dim, size.max_dim),
        shape=size.settled_shape,
        fit=bundle.config.image_fit,
    )
    sides = ", ".join(str(view.min_dim) for view in views if not view.flip)
    say(
        f"test-time augmentation: {len(views)} views of each image or region, with short sides of {sides} pixels"
        + ", also mirrored" * tta.flip
    )
    if bundle.maps:
        say(f"test-time augmentation has no maps of whole images: {', '.join(bundle.maps)} is left out")
    return AugmentedPredictor(bundle, views)


class AugmentedPredictor(LivePredictor[Images, list[RawDetections]]):
    """Finds objects in several views of each image.

    There are two graphs, traced once for all rectangular views, and for each side of a square one.
    """

    def __init__(self, bundle: ModelBundle, views: Sequence[View]):
        """Stores the model and wraps its two passes in functions of the back end.

        Args:
            bundle: a loaded model.
            views: at least one.
        """
        super().__init__(bundle)
        self.views = tuple(views)
        self._rounding = bundle.output_rules.round_boxes
        self._slots = bundle.choices.detections_per_image
        self._has_heads = bundle.config.has_masks or bool(bundle.extra_fields)
        sides = dict.fromkeys(view.side for view in views)
        self._find = {side: _graph_of_boxes(bundle, side) for side in sides}
        self._describe = {side: _graph_of_heads(bundle, side) for side in sides}

    @property
    def maps(self) -> dict[str, SemanticRules]:
        """No maps: the views would have to be averaged."""
        return {}

    def with_choices(self, **changes: float) -> "AugmentedPredictor":
        """Makes a predictor with other run-time choices; see `StagedPredictor.with_choices`."""
        return AugmentedPredictor(self.bundle.with_choices(**changes), self.views)

    def prepare(self, images: Sequence[np.ndarray]) -> list[Images]:
        """Checks images; the first stage. They are resized in the second one, a view at a time.

        Returns:
            One batch of all images.

        Raises:
            ValueError: an array is not an image; the message has its index in the list.
        """
        return [tuple(model_image.as_model_images(images, channels=self.bundle.config.channels))]

    def detect(self, batch: Images) -> list[RawDetections]:
        """Runs both passes of the model over all views of a batch; the second stage.

        Returns:
            For each image NumPy fields `[N, ...]`, all slots valid, best first, in pixels of the image.

        Raises:
            OutOfMemory: a view of the batch does not fit into memory.
        """
        merged = self._boxes(batch)
        averages = self._fields(batch, merged)
        return [self._raw(found, average) for found, average in zip(merged, averages, strict=True)]

    def finish(self, batches: Sequence[Images], raw: Sequence[list[RawDetections]]) -> list[CompactDetections]:
        """Pastes the masks into the images; the third stage.

        Args:
            batches: from `prepare`.
            raw: the result of `detect` for each of them.

        Returns:
            The detections of each image, in order.
        """
        names, rules = self.bundle.class_names, self.bundle.output_rules
        pairs = zip(
            (image for batch in batches for image in batch), (one for found in raw for one in found), strict=True
        )
        return [
            postprocess.in_image(one, image_size=(image.shape[0], image.shape[1]), class_names=names, rules=rules)[0]
            for image, one in pairs
        ]

    def _boxes(self, batch: Images) -> list[Boxes]:
        """Finds boxes in all views and merges them, for each image of a batch."""
        found: list[list[Boxes]] = [[] for _ in batch]
        for view in self.views:
            for seen in self._look(batch, view):
                raw = run_graph(self._find[view.side], seen.images, seen.windows, smaller=SMALLER)
                for place, (index, plan) in enumerate(zip(seen.indices, seen.plans, strict=True)):
                    found[index].append(self._boxes_of(raw, place, plan=plan, flip=view.flip))
        choices = self.bundle.choices
        across = getattr(self.bundle.config, "detection_nms_scope", "class") == "all"
        return [
            merge.merge(
                each, iou_threshold=choices.detection_nms_iou_threshold, most=self._slots, across_classes=across
            )
            for each in found
        ]

    def _boxes_of(self, raw: RawDetections, place: int, *, plan: ResizePlan, flip: bool) -> Boxes:
        valid = raw.valid[place]
        boxes = looking.boxes_to_image(raw.boxes[place][valid], plan, flip=flip, rounding=self._rounding)
        return Boxes(boxes, raw.class_ids[place][valid], raw.scores[place][valid])

    def _fields(self, batch: Images, merged: Sequence[Boxes]) -> list[Average]:
        """Describes the merged boxes in all views, for each image of a batch; one without boxes is left out."""
        averages = [Average(self.bundle.extra_fields) for _ in batch]
        busy = [index for index, found in enumerate(merged) if len(found.scores)]
        for view in self.views if busy and self._has_heads else ():
            for seen in self._look([batch[index] for index in busy], view):
                places = [busy[index] for index in seen.indices]
                fields = self._described(seen, [merged[place] for place in places], view)
                for row, (place, plan) in enumerate(zip(places, seen.plans, strict=True)):
                    count = len(merged[place].scores)
                    own = {name: values[row][:count] for name, values in fields.items()}
                    averages[place].add(own, plan, flip=view.flip)
        return averages

    def _described(self, seen: Prepared, found: Sequence[Boxes], view: View) -> Mapping[str, np.ndarray]:
        """Runs the heads on the boxes of each image in a view; `[B, D, ...]` by name."""
        boxes = np.zeros((len(found), self._slots, 4), np.float32)
        class_ids = np.zeros((len(found), self._slots), np.int32)
        valid = np.zeros((len(found), self._slots), bool)
        for row, (each, plan) in enumerate(zip(found, seen.plans, strict=True)):
            count = len(each.scores)
            boxes[row, :count] = looking.boxes_to_view(each.boxes, plan, flip=view.flip, rounding=self._rounding)
            class_ids[row, :count], valid[row, :count] = each.class_ids, True
        graph = self._describe[view.side]
        fields: Mapping[str, np.ndarray] = run_graph(
            graph, seen.images, seen.windows, boxes, class_ids, valid, smaller=SMALLER
        )
        return fields

    def _look(self, images: Sequence[np.ndarray], view: View) -> Iterator[Prepared]:
        """Yields the images as a view shows them, in batches of one shape."""
        config = self.bundle.config
        yield from preprocess.prepare(
            looking.flipped(images) if view.flip else images,
            min_dim=view.min_dim,
            max_dim=view.max_dim,
            shape="rectangle",
            channels=config.channels,
            image_resize=config.image_resize,
            fit=config.image_fit,
            input_hw=None if view.side is None else (view.side, view.side),
        )

    def _raw(self, found: Boxes, average: Average) -> RawDetections:
        masks, extras = average.result()
        if not self._has_heads:
            masks = np.ones((len(found.scores), 1, 1), np.float32)  # the whole boxes
        return RawDetections(
            boxes=resize.rounded(found.boxes, rounding=self._rounding),
            class_ids=found.class_ids,
            scores=found.scores,
            valid=np.ones(len(found.scores), bool),
            masks=masks,
            extras=extras,
        )


def _graph_of_boxes(bundle: ModelBundle, side: int | None) -> Callable[..., Any]:
    find = partial(bundle.model.detect_boxes, choices=bundle.choices)
    return native.compiled(
        lambda images, windows: find({"images": images, "windows": windows}),
        _inputs(bundle, side),
        weights=lambda: bundle.model.weights,
    )


def _graph_of_heads(bundle: ModelBundle, side: int | None) -> Callable[..., Any]:
    slots = bundle.choices.detections_per_image
    given = [((None, slots, 4), "float32"), ((None, slots), "int32"), ((None, slots), "bool")]

    def describe(images: Any, windows: Any, *found: Any) -> Any:
        boxes, class_ids, valid = found
        batch = {"images": images, "windows": windows}
        return bundle.model.describe_boxes(batch, boxes=boxes, class_ids=class_ids, valid=valid)

    return native.compiled(describe, [*_inputs(bundle, side), *given], weights=lambda: bundle.model.weights)


def _inputs(bundle: ModelBundle, side: int | None) -> Inputs:
    return [((None, side, side, bundle.config.channels), "float32"), ((None, 4), "float32")]
