"""The records that cross package borders.

Shape letters: B images, N padded ground truth, A anchors of one image, R regions, P regions given to the mask head,
D detections, C classes with background, M mask side, S side of a stored ground-truth mask, H W model input.
Boxes are yxyx float32 pixels of the resized, padded model input, y2 and x2 exclusive, unless the name says otherwise.
Source: docs/architecture.md.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Tensor = Any  # a backend tensor or a NumPy array


class Instances(NamedTuple):
    """The annotated objects of one image in original pixels; an ignore region is one whose `ignore` is true.

    Attributes:
        boxes: `[N, 4]` float32, yxyx pixels of the image, whole numbers, exclusive ends.
        class_ids: `[N]` int32, 1..C-1; of an ignore region its class, or 0 if it stands for all classes.
        masks: N boolean arrays, each `[y2 - y1, x2 - x1]`: the object inside its own box.
        ignore: `[N]` bool, true for crowds and neutral objects.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    masks: tuple[np.ndarray, ...]
    ignore: np.ndarray


class Sample(NamedTuple):
    """One image of a split, before it is read.

    Attributes:
        name: what messages call it, e.g. `ds1/cat.jpg`.
        image_path: where the image is.
        labels: the annotated objects, parsed once, in the form `data/rasterize.py` draws.
        class_ids: one per label; of a crowd its class, 0 for a neutral object.
        ignore: one per label.
        size_hw: the image's height and width according to its annotation; None where that leaves it open.
    """

    name: str
    image_path: str
    labels: tuple[Any, ...]
    class_ids: tuple[int, ...]
    ignore: tuple[bool, ...]
    size_hw: tuple[int, int] | None = None


class Batch(NamedTuple):
    """What the model trains and validates on; `tf.data` carries it as the dictionary `batch._asdict()`.

    Attributes:
        images: `[B, H, W, channels]` float32, RGB 0-255, zero outside `windows`; the model subtracts the mean.
        windows: `[B, 4]` float32, the un-padded part of each image.
        gt_boxes: `[B, N, 4]` float32; zeros in unused slots.
        gt_class_ids: `[B, N]` int32; 0 in unused and ignored slots.
        gt_masks: `[B, N, S, S]` uint8, 0-255: how much of each cell of the box's S x S grid the object covers.
        gt_valid: `[B, N]` bool, the slot holds an object.
        gt_ignore: `[B, N]` bool, the slot holds an ignore region (never both).
        neutral: `[B, H, W]` bool, the pixel lies, in part at least, on an object of the neutral class.
        image_ids: `[B]` int32, index of the sample in its split.
        seeds: `[B]` int32, what random choices inside the model derive from.
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


class Proposals(NamedTuple):
    """Regions the RPN proposes, best first.

    Attributes:
        boxes: `[B, R, 4]` float32, clipped to the model input; zeros in unused slots.
        scores: `[B, R]` float32 objectness in 0..1.
        valid: `[B, R]` bool.
    """

    boxes: Tensor
    scores: Tensor
    valid: Tensor


class AnchorTargets(NamedTuple):
    """What the RPN's losses compare with.

    Attributes:
        state: `[B, A]` int32: 1 object, 0 background, -1 ignore (not sampled).
        deltas: `[B, A, 4]` float32, zeros where `state` is not 1.
    """

    state: Tensor
    deltas: Tensor


class RoiTargets(NamedTuple):
    """Sampled regions and what the box losses compare with; objects come first in each image.

    Attributes:
        rois: `[B, R, 4]` float32.
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
    """What the mask loss compares with, for the P regions the mask head saw.

    Attributes:
        masks: `[P, M, M]` float32 from 0 to 1; 0 or 1 alone unless the model's `mask_targets` is soft.
        class_ids: `[P]` int32.
        weights: `[P, M, M]` float32, 1 for a cell that counts; 0 on neutral pixels, and all over a filler.
    """

    masks: Tensor
    class_ids: Tensor
    weights: Tensor


class RawDetections(NamedTuple):
    """The inference path's result in model-input pixels, best first.

    Attributes:
        boxes: `[B, D, 4]` float32, clipped to the window; zeros in unused slots.
        class_ids: `[B, D]` int32, 0 in unused slots.
        scores: `[B, D]` float32.
        valid: `[B, D]` bool; the valid slots come first.
        masks: `[B, D, M, M]` float32 probabilities of the detected class on the box's grid.
    """

    boxes: Tensor
    class_ids: Tensor
    scores: Tensor
    valid: Tensor
    masks: Tensor


class OutputRules(NamedTuple):
    """How raw output becomes detections in an image's own pixels.

    Attributes:
        mask_threshold: the probability from which a pixel belongs to the object.
        mask_paste: how a mask is enlarged to its box: `bilinear`; `fading` to 0 beyond its outer values (Matterport);
            `stretched`, its own range of values taken as 0..1 (the Supervisely plugin).
        round_boxes: `never`; `at_end`, boxes are whole pixels (Matterport); `before_nms`, they were made whole in the
            model input, and are cut to whole pixels (the Supervisely plugin).
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
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    class_names: tuple[str, ...]
    scores: np.ndarray
    masks: np.ndarray


@dataclass(frozen=True, eq=False)
class CroppedMask:
    """A mask of which only its own box is kept, eight pixels to a byte; all else of the image is clear.

    Attributes:
        origin: (y, x) of the box's first pixel in the image.
        shape: height and width of the box; (0, 0) of a mask without a pixel.
        area: how many pixels are true.
        bits: the box row by row, as `np.packbits` writes it.
    """

    origin: tuple[int, int]
    shape: tuple[int, int]
    area: int
    bits: np.ndarray

    @classmethod
    def from_pixels(cls, pixels: np.ndarray, origin: tuple[int, int] = (0, 0)) -> "CroppedMask":
        """Crops a `[h, w]` bool mask whose first pixel is at `origin` (y, x) to the box of its true pixels."""
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
    """The detections of one image in original pixels, as `Detections`, but small where the image is large.

    Attributes:
        boxes: `[N, 4]` float32, yxyx pixels of the image, not rounded.
        class_ids: `[N]` int32, 1..C-1.
        class_names: one per detection.
        scores: `[N]` float32.
        masks: one per detection, each with at least one pixel.
        size: height and width of the image.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    class_names: tuple[str, ...]
    scores: np.ndarray
    masks: tuple[CroppedMask, ...]
    size: tuple[int, int]
