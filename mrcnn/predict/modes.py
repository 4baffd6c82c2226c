"""The inference modes: each decides which regions of an image the model is applied to.

There is one function for each mode name of the inference config. A runner yields each picture with its detections, in
the order of the pictures.
Source: Supervisely SDK 5.16, inference modes. Deliberate differences: regions are computed from the size of the image
file, not from the size in its annotation; the sliding modes work on masks and merge the pieces of one object (see
`merge`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from mrcnn.config.inference import BboxesMode, Mode, RoiMode, SlidingMode, is_among
from mrcnn.predict import bounds, compact, merge, overlaps, windows
from mrcnn.predict import regions as looking
from mrcnn.predict.regions import Found, Method, Part, Predicts, Region
from mrcnn.predict.sources import Picture, Report
from mrcnn.structures import CompactDetections


class Runner(Protocol):
    """A function that applies a model to pictures by one inference mode."""

    def __call__(
        self,
        predictor: Predicts,
        pictures: Iterable[Picture | Report],
        mode: Any,
        *,
        batch_size: int,
        on_error: looking.OnError = looking.end_run,
    ) -> Iterator[tuple[Picture, Found]]:
        """Yields each picture with its detections; see `looking.predict_regions`."""


def full_image(mode: Mode) -> Method:
    """Builds the method that applies the model to the whole image, the only one that keeps the maps of images."""

    def plan(picture: Picture) -> Sequence[Region]:
        return [Region((0, 0, *_size(picture)))]

    def gather(regions: Sequence[Region], found: Sequence[CompactDetections], size: tuple[int, int]) -> Iterator[Part]:
        yield Part(found[0])

    return Method(plan, gather, mode.flip)


def roi(mode: RoiMode) -> Method:
    """Builds the method that applies the model to the image cropped by `mode.bounds`."""

    def plan(picture: Picture) -> Sequence[Region]:
        return [Region(bounds.cut(_size(picture), mode.bounds))]

    return Method(plan, _with_boxes if mode.save else _as_found, mode.flip)


def bboxes(mode: BboxesMode) -> Method:
    """Builds the method that applies the model to the padded boxes of annotated objects.

    Objects count when their class is in `mode.from_classes` and they have a pixel in the image.
    """

    def plan(picture: Picture) -> Sequence[Region]:
        size, regions = _size(picture), []
        for index, label in enumerate(picture.annotation.labels):
            drawn = label.geometry.to_mask(*size) if is_among(label.class_title, mode.from_classes) else None
            if drawn is not None:
                mask, (y, x) = drawn
                box = (y, x, y + mask.shape[0], x + mask.shape[1])
                name = f"object {index} ({label.class_title})"
                regions.append(Region(bounds.pad(box, mode.padding, size=size, name=name), index))
        return regions

    return Method(plan, _with_boxes if mode.save else _as_found, mode.flip)


def sliding_window(mode: SlidingMode) -> Method:
    """Builds the method that applies the model to sliding windows over the image.

    The detections of all windows are merged where a border cuts an object (with `mode.join_iou_threshold`), then
    filtered by mask NMS (with `mode.nms_after`).
    """
    window = mode.window.height, mode.window.width
    min_overlap = mode.min_overlap.y, mode.min_overlap.x

    def plan(picture: Picture) -> Sequence[Region]:
        return [Region(box) for box in windows.cover(_size(picture), window, min_overlap)]

    def gather(regions: Sequence[Region], found: Sequence[CompactDetections], size: tuple[int, int]) -> Iterator[Part]:
        objects = compact.concatenate(found, size=size)._replace(maps={})
        if mode.join_iou_threshold is not None:
            boxes = np.array([region.box for region in regions], np.int64)
            origins = np.repeat(boxes, [len(each.masks) for each in found], axis=0)
            objects = merge.join_pieces(objects, origins, iou_threshold=mode.join_iou_threshold)
        if mode.nms_after.enable:
            objects = overlaps.suppress(objects, iou_threshold=mode.nms_after.iou_threshold)
        else:
            objects = compact.best_first(objects)
        yield Part(objects)
        if mode.save:
            yield from (Part(compact.empty(size), box=region.box) for region in regions)

    return Method(plan, gather, mode.flip)


def _runner(method: Callable[[Any], Method]) -> Runner:
    def run(
        predictor: Predicts,
        pictures: Iterable[Picture | Report],
        mode: Any,
        *,
        batch_size: int,
        on_error: looking.OnError = looking.end_run,
    ) -> Iterator[tuple[Picture, Found]]:
        return looking.predict_regions(predictor, pictures, method(mode), batch_size=batch_size, on_error=on_error)

    return run


RUNNERS: dict[str, Runner] = {
    "full_image": _runner(full_image),
    "roi": _runner(roi),
    "bboxes": _runner(bboxes),
    "sliding_window": _runner(sliding_window),
    "sliding_window_det": _runner(sliding_window),
}


def _as_found(regions: Sequence[Region], found: Sequence[CompactDetections], size: tuple[int, int]) -> Iterator[Part]:
    for region, detections in zip(regions, found, strict=True):
        yield Part(detections._replace(maps={}), region.label)


def _with_boxes(regions: Sequence[Region], found: Sequence[CompactDetections], size: tuple[int, int]) -> Iterator[Part]:
    for region, detections in zip(regions, found, strict=True):
        yield Part(detections._replace(maps={}), region.label, region.box)


def _size(picture: Picture) -> tuple[int, int]:
    height, width = picture.image.shape[:2]
    return height, width
