"""The records that cross package borders.

Shape letters: B images, N padded ground truth, A anchors of one image, R regions, P regions given to the mask head,
D detections, C classes with background, M mask side, S side of a stored ground-truth mask, H W model input.
Boxes are yxyx float32 pixels of the resized, padded model input, y2 and x2 exclusive, unless the name says otherwise.
`extras` holds further fields of the objects by name, one row per object (`fields` says how each is handled), `maps`
what belongs to the pixels of an image (`data/maps` says how it moves), `facts` further values of an image, for metrics.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Tensor = Any  # a backend tensor or a NumPy array
Count = Any  # a Python int, or an int32 scalar where a graph does not know a shape
Size = tuple[Any, Any]  # height and width: Python numbers, or float32 scalars where a graph does not know them
SEMANTIC = "semantic"  # name of the map of the pixels' classes
UNLABELLED = 255  # in a semantic map: a pixel whose class is not known
_RESULTS = "mrcnn.results"  # module of the conversions of `Detections`, which need packages that the records do not
EVALUATION_SCORE_THRESHOLD = 0.05  # AP ranks weak detections too; torchvision's and detectron2's value


def of_stage(name: str, stage: int) -> str:
    """Names a layer or a loss of one stage of a cascade of box heads.

    Args:
        name: of a model with one box head, which the first stage keeps.
        stage: from 1.
    """
    return name if stage == 1 else f"{name}_stage{stage}"


class Instances(NamedTuple):
    """The annotated objects and ignore regions of one image, in original pixels.

    Attributes:
        boxes: `[N, 4]` float32, yxyx pixels of the image, whole numbers, exclusive ends.
        class_ids: `[N]` int32, 1..C-1; of an ignore region its class, or 0 if it applies to all classes.
        masks: N boolean arrays, each `[y2 - y1, x2 - x1]`: the object inside its own box.
        ignore: `[N]` bool, true for ignore regions: crowds and neutral objects.
        extras: `[N, ...]` float32 by name; points in pixels of the image.
        facts: further values of the image by name, as in `Sample`; augmentation drops them.
        maps: `[H, W]` uint8 by name, of the whole image. `semantic`: 0 a countable object (thing), 1.. the class of
            a region without instances (stuff), `UNLABELLED` neither.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    masks: tuple[np.ndarray, ...]
    ignore: np.ndarray
    extras: Mapping[str, np.ndarray] = {}
    facts: Mapping[str, Any] = {}
    maps: Mapping[str, np.ndarray] = {}


class GroundTruth(NamedTuple):
    """What the detections of one image are compared with.

    Attributes:
        height: of the image, pixels.
        width: of the image, pixels.
        instances: its objects and ignore regions.
    """

    height: int
    width: int
    instances: Instances


class Sample(NamedTuple):
    """One image of a split with its annotation, before the image is read.

    Attributes:
        name: the image's name in messages, e.g. `ds1/cat.jpg`.
        image_path: path of the image.
        labels: the annotated objects, parsed once, in the form that `data/rasterize.py` draws.
        class_ids: one per label; of a crowd its class, 0 for a neutral object.
        ignore: one per label, true for crowds and neutral objects.
        size_hw: the image's height and width according to its annotation; None where the annotation has none.
        extras: by name, `[N, ...]` float32, one row per label, pixels of the image.
        facts: further values of the image by name, as its source has them: `Annotation.extra`.
        stuff: annotated regions without instances, each with its number from 1 in the semantic map, in the order in
            which they are drawn; None where there is no semantic map.
    """

    name: str
    image_path: str
    labels: tuple[Any, ...]
    class_ids: tuple[int, ...]
    ignore: tuple[bool, ...]
    size_hw: tuple[int, int] | None = None
    extras: Mapping[str, np.ndarray] = {}
    facts: Mapping[str, Any] = {}
    stuff: tuple[tuple[Any, int], ...] | None = None


class Batch(NamedTuple):
    """A batch for training and validation; `tf.data` passes it as `batch._asdict()`.

    The dictionary also has `gt_<name>` `[B, N, ...]` float32 for each extra field of the objects that the model needs,
    and `gt_<name>` `[B, H, W]` uint8 for each map, with `UNLABELLED` outside `windows`.

    Attributes:
        images: `[B, H, W, channels]` float32, RGB 0-255, zero outside `windows`; the model subtracts the mean.
        windows: `[B, 4]` float32, the un-padded part of each image.
        gt_boxes: `[B, N, 4]` float32; zeros in unused slots.
        gt_class_ids: `[B, N]` int32; 0 in unused and ignored slots.
        gt_masks: `[B, N, S, S]` uint8, 0-255: how much of each cell of the box's S x S grid the object covers.
        gt_valid: `[B, N]` bool, the slot holds an object.
        gt_ignore: `[B, N]` bool, the slot holds an ignore region (never both).
        neutral: `[B, H, W]` bool, the pixel overlaps an object of the neutral class, even partly.
        image_ids: `[B]` int32, index of the sample in its split.
        seeds: `[B]` int32, seeds of the random choices inside the model.
    """

    images: Tensor
    windows: Tensor
    gt_boxes: Tensor
    gt_class_ids: Tensor
    gt_masks: Tensor
    gt_valid: Tensor
    gt_ignore: Tensor
    neutral: Tensor
    image_ids: Tensor
    seeds: Tensor


class ResNetRules(NamedTuple):
    """What a ResNet's weights belong to, besides their shapes.

    Attributes:
        backbone: `resnet50` or `resnet101`.
        code_base: whose ImageNet weights the family starts from: `keras`, `torchvision` or `detectron2`.
        image_order: order of the channels of its images, `rgb` or `bgr`.
        image_std: what the channels are divided by, in this order; all 1 for values of 0-255.
        epsilon: added to the variance by batch norm.
        stride_in: the convolution of a block that has the stride, `1x1` or `3x3`.
    """

    backbone: str
    code_base: str = "keras"
    image_order: str = "rgb"
    image_std: tuple[float, ...] = (1.0, 1.0, 1.0)
    epsilon: float = 1e-3
    stride_in: str = "1x1"


class Proposals(NamedTuple):
    """Regions the RPN proposes, best first.

    Attributes:
        boxes: `[B, R, 4]` float32, clipped to the model input; zeros in unused slots.
        scores: `[B, R]` float32 objectness in 0..1.
        valid: `[B, R]` bool, the slot is used.
    """

    boxes: Tensor
    scores: Tensor
    valid: Tensor


class AnchorTargets(NamedTuple):
    """Targets of the RPN's losses.

    Attributes:
        state: `[B, A]` int32: 1 object, 0 background, -1 ignore (not sampled).
        deltas: `[B, A, 4]` float32, zeros where `state` is not 1.
    """

    state: Tensor
    deltas: Tensor


class RoiTargets(NamedTuple):
    """Sampled regions with the targets of the box head's losses, object regions first.

    Attributes:
        rois: `[B, R, 4]` float32, yxyx pixels of the model input; without meaning in unused slots.
        class_ids: `[B, R]` int32, 0 background.
        deltas: `[B, R, 4]` float32, zeros for background.
        matched_idx: `[B, R]` int32, the ground-truth slot of an object region, else 0.
        valid: `[B, R]` bool, the slot holds a sampled region.
    """

    rois: Tensor
    class_ids: Tensor
    deltas: Tensor
    matched_idx: Tensor
    valid: Tensor


class MaskTargets(NamedTuple):
    """Targets of the mask loss for the P regions of the mask head.

    Attributes:
        masks: `[P, M, M]` float32 in 0..1; only 0 and 1 unless the model's `mask_targets` is soft.
        class_ids: `[P]` int32.
        weights: `[P, M, M]` float32, 1 for a cell that counts; 0 on neutral pixels and in all cells of a filler region.
    """

    masks: Tensor
    class_ids: Tensor
    weights: Tensor


class RawDetections(NamedTuple):
    """The model's detections in pixels of the model input, best first.

    Attributes:
        boxes: `[B, D, 4]` float32, clipped to the window; zeros in unused slots.
        class_ids: `[B, D]` int32, 0 in unused slots.
        scores: `[B, D]` float32.
        valid: `[B, D]` bool; the valid slots come first.
        masks: `[B, D, M, M]` float32 probabilities of the detected class on the box's grid.
        extras: `[B, D, ...]` float32 by name; points in pixels of the model input.
        maps: by name; `semantic`: `[B, H / 4, W / 4, 1 + stuff classes]` float32 logits.
    """

    boxes: Tensor
    class_ids: Tensor
    scores: Tensor
    valid: Tensor
    masks: Tensor
    extras: Mapping[str, Tensor] = {}
    maps: Mapping[str, Tensor] = {}


class Choices(NamedTuple):
    """The run-time choices of a detector, named as under `model` in a config.

    They can be changed without building a new network.

    Attributes:
        score_threshold: detections that score less are dropped.
        detection_nms_iou_threshold: a box is dropped when its IoU with a better one is above it.
        detections_per_image: the most detections of one image.
        mask_threshold: the probability from which a pixel belongs to the object.
    """

    score_threshold: float = 0.7
    detection_nms_iou_threshold: float = 0.3
    detections_per_image: int = 100
    mask_threshold: float = 0.5

    @classmethod
    def of(cls, settings: Any) -> "Choices":
        """Reads the choices from a record with attributes of the same names.

        Such a record is a family's settings.
        """
        return cls(**{name: getattr(settings, name) for name in cls._fields})

    def for_evaluation(self) -> "Choices":
        """Lowers the score threshold to `EVALUATION_SCORE_THRESHOLD` where it is higher."""
        return self._replace(score_threshold=min(self.score_threshold, EVALUATION_SCORE_THRESHOLD))


class SemanticRules(NamedTuple):
    """The classes of a semantic map, and how it is merged with detections to a panoptic segmentation.

    Attributes:
        stuff: titles of the map's classes from 1; 0 is any thing.
        score_threshold: detections that score less are left out.
        overlap: a detection is left out if a larger share of its mask lies in those of better ones.
        stuff_area: pixels that a stuff class must have beside the detections; with fewer it is left out.
    """

    stuff: tuple[str, ...]
    score_threshold: float = 0.5
    overlap: float = 0.5
    stuff_area: int = 4096


class OutputRules(NamedTuple):
    """Rules for the conversion of raw detections to an image's own pixels.

    Attributes:
        mask_threshold: the probability from which a pixel belongs to the object.
        mask_paste: how a mask is resized to its box: `bilinear`; `fading` to 0 beyond its outer values (Matterport);
            `stretched`, its own range of values rescaled to 0..1 (the Supervisely plugin).
        round_boxes: `never`; `at_end`, boxes are rounded to whole pixels (Matterport); `before_nms`, boxes were rounded
            in the model input, and are truncated to whole pixels (the Supervisely plugin).
    """

    mask_threshold: float = 0.5
    mask_paste: str = "bilinear"
    round_boxes: str = "never"


class Detections(NamedTuple):
    """The detections of one image in original pixels, best first.

    Attributes:
        boxes: `[N, 4]` float32, yxyx pixels of the image, not rounded.
        class_ids: `[N]` int32, 1..C-1.
        class_names: one per detection.
        scores: `[N]` float32.
        masks: `[N, H, W]` bool.
        extras: `[N, ...]` float32 by name; points in pixels of the image.
        maps: `[H, W]` uint8 by name; `semantic` as in `Instances`, without `UNLABELLED`.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    class_names: tuple[str, ...]
    scores: np.ndarray
    masks: np.ndarray
    extras: Mapping[str, np.ndarray] = {}
    maps: Mapping[str, np.ndarray] = {}

    def to_dicts(self) -> list[dict[str, Any]]:
        """Converts the detections to plain dictionaries, rows of a table; see `results.to_dicts`."""
        return importlib.import_module(_RESULTS).to_dicts(self)

    def to_coco(self, *, image_id: int = 1) -> list[dict[str, Any]]:
        """Converts the detections to entries of a COCO results list; see `results.to_coco`."""
        return importlib.import_module(_RESULTS).to_coco(self, image_id=image_id)

    def to_supervision(self) -> Any:
        """Converts the detections to a `supervision.Detections`; see `results.to_supervision`."""
        return importlib.import_module(_RESULTS).to_supervision(self)

    def plot(self, image: Any, **options: Any) -> Any:
        """Draws the detections over their image, as a Pillow image; see `results.plot`."""
        return importlib.import_module(_RESULTS).plot(self, image, **options)

    def _repr_html_(self) -> str:
        return importlib.import_module(_RESULTS).to_html(self)


@dataclass(frozen=True, eq=False)
class CroppedMask:
    """Bit-packed crop of a mask to its bounding box; false outside.

    Attributes:
        origin: (y, x) of the box's first pixel in the image.
        shape: height and width of the box; (0, 0) for an empty mask.
        area: number of true pixels.
        bits: the pixels of the box row by row, as `np.packbits` packs them.
    """

    origin: tuple[int, int]
    shape: tuple[int, int]
    area: int
    bits: np.ndarray

    @classmethod
    def from_pixels(cls, pixels: np.ndarray, origin: tuple[int, int] = (0, 0)) -> "CroppedMask":
        """Crops a mask to the box of its true pixels.

        Args:
            pixels: `[h, w]` bool.
            origin: (y, x) of the first of these pixels in the image.
        """
        rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
        if not len(rows):
            return cls(origin, (0, 0), 0, np.zeros(0, np.uint8))
        top, left = int(rows[0]), int(columns[0])
        crop = pixels[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
        place = (origin[0] + top, origin[1] + left)
        return cls(place, (crop.shape[0], crop.shape[1]), int(np.count_nonzero(crop)), np.packbits(crop))

    @property
    def pixels(self) -> np.ndarray:
        """The mask inside its box, `[h, w]` bool, unpacked anew each time."""
        height, width = self.shape
        return np.unpackbits(self.bits, count=height * width).reshape(height, width).view(bool)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The box of the true pixels, yxyx, exclusive ends."""
        (y, x), (height, width) = self.origin, self.shape
        return y, x, y + height, x + width


class CompactDetections(NamedTuple):
    """The detections of one image, as `Detections`, but with cropped masks.

    Attributes:
        boxes: `[N, 4]` float32, yxyx pixels of the image, not rounded.
        class_ids: `[N]` int32, 1..C-1.
        class_names: one per detection.
        scores: `[N]` float32.
        masks: one per detection, each with at least one pixel.
        size: height and width of the image.
        extras: as in `Detections`.
        maps: as in `Detections`; those of a part of an image are dropped when it is placed in the whole.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    class_names: tuple[str, ...]
    scores: np.ndarray
    masks: tuple[CroppedMask, ...]
    size: tuple[int, int]
    extras: Mapping[str, np.ndarray] = {}
    maps: Mapping[str, np.ndarray] = {}
