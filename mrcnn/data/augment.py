"""Augments an image together with its objects by imgaug, before they are resized.

imgaug receives the objects as label maps. Objects that do not overlap share a map; overlapping objects go into
different maps, so that none hides another. An image rarely needs more than two or three maps.
"""

import contextlib
import functools
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from imgaug import augmenters as imgaug_augmenters
from imgaug.augmentables.kps import KeypointsOnImage
from imgaug.augmentables.segmaps import SegmentationMapsOnImage
from imgaug.random import RNG
from scipy import ndimage

from mrcnn.config.augmentation import ALLOWED, CONTAINERS, GEOMETRIC
from mrcnn.data import maps as image_maps
from mrcnn.data.order import derive_seed
from mrcnn.data.rasterize import from_masks
from mrcnn.errors import UserError
from mrcnn.fields import arrays
from mrcnn.fields import extras as fields
from mrcnn.fields.table import Fields
from mrcnn.structures import Instances

# Deprecated in NumPy, scikit-image and imageio, but still called by imgaug; the results are right, see the tests.
_TRIED_HW, _TRIES = (240, 320), 32
_OUTDATED_CALLS = (
    ("Conversion of an array with ndim > 0", DeprecationWarning),
    ("`estimate` is deprecated", FutureWarning),
    ("Starting with ImageIO v3", DeprecationWarning),
    ("`pilmode` is deprecated", DeprecationWarning),
)


class Augmenter:
    """A reproducible chain of imgaug augmenters.

    The result depends only on the image, the seed of the run, the epoch and the image's place in the epoch.
    """

    def __init__(self, specs: Sequence[Mapping[str, Any]], *, seed: int, fields: Fields | None = None):
        """Builds the chain, to find mistakes before any data is read.

        Args:
            specs: for each augmenter its imgaug class as `name`, its arguments as `args`, and for a container its
                `children`.
            seed: of the run.
            fields: the objects' extra fields of the run by name; None for those of `FIELDS`.

        Raises:
            UserError: a name is not allowed, or imgaug refuses the arguments.
        """
        self._specs = tuple(specs)
        self._seed, self._fields = seed, fields
        self._moves = any(name in GEOMETRIC for spec in self._specs for name in _names(spec))
        for message, category in _OUTDATED_CALLS:
            warnings.filterwarnings("ignore", message=message, category=category)
        self._chains = threading.local()  # imgaug's random state lives in its objects: a chain for each thread
        self._chain()

    def __bool__(self) -> bool:
        """Checks whether there is any augmenter."""
        return bool(self._specs)

    def changes_size(self) -> bool:
        """Tries the augmenters on an image and checks whether it ever has another size afterwards."""
        image = np.zeros((*_TRIED_HW, 3), np.uint8)
        none = from_masks(masks=[], corners=[], class_ids=np.zeros(0, int), ignore=np.zeros(0, bool))
        with contextlib.suppress(UserError):  # an augmenter that fails on this image may work on others
            return any(self(image, none, epoch=0, place=place)[0].shape != image.shape for place in range(_TRIES))
        return False

    def __call__(
        self, image: np.ndarray, instances: Instances, *, epoch: int, place: int
    ) -> tuple[np.ndarray, Instances]:
        """Augments one image.

        Args:
            image: `[H, W, channels]` uint8; left unchanged.
            instances: its objects and regions to ignore.
            epoch: zero-based.
            place: index of the image in its epoch.

        Returns:
            The new image, `[H', W', channels]` uint8, and its objects with new boxes; objects without a pixel in the
            new image are dropped.

        Raises:
            UserError: the augmenters cannot handle the image.
        """
        if not self:
            return image, instances
        chain = self._chain()
        # imgaug's own `seed_` skips a Sequential that holds another augmenter's children.
        for number, augmenter in enumerate(_walk(chain)):
            augmenter.random_state = RNG(derive_seed(self._seed, epoch, place, number))
        maps = _to_maps(instances, image.shape[:2]) if self._moves else None
        # one draw of all random numbers, so that image, maps and points move alike
        chain = chain.to_deterministic() if instances.extras else chain
        try:
            if maps is None:
                return np.ascontiguousarray(chain(image=image)), instances
            moved, moved_maps = chain(image=image, segmentation_maps=SegmentationMapsOnImage(maps, image.shape))
            warp = functools.partial(_moved_points, chain, shape=image.shape)
            extras = fields.augmented(
                instances.extras,
                warp,
                mirrors=bool(instances.extras) and _mirrors(warp, image.shape),
                fields=self._fields,
            )
        except Exception as error:  # imgaug raises assertions and bare exceptions on images it cannot handle
            raise UserError(f"`augmentation` fails on an image of shape {image.shape}: {error!r}") from error
        return np.ascontiguousarray(moved), _from_maps(moved_maps.arr, instances._replace(extras=extras))

    def _chain(self) -> imgaug_augmenters.Sequential:
        if not hasattr(self._chains, "value"):
            self._chains.value = imgaug_augmenters.Sequential([_build(spec) for spec in self._specs])
        return self._chains.value


def _names(spec: Mapping[str, Any]) -> Iterator[str]:
    yield spec["name"]
    for child in spec.get("children", ()):
        yield from _names(child)


def _build(spec: Mapping[str, Any]) -> imgaug_augmenters.Augmenter:
    name = spec["name"]
    if name not in ALLOWED:
        raise UserError(f"`augmentation`: {name!r} is not one of the allowed imgaug augmenters {list(ALLOWED)}")
    args = dict(spec.get("args", {}))
    if name in CONTAINERS:
        children = [_build(child) for child in spec.get("children", ())]
        args["then_list" if name == "Sometimes" else "children"] = children
    try:
        return getattr(imgaug_augmenters, name)(**args)
    except Exception as error:  # imgaug checks arguments by assertions and bare exceptions
        raise UserError(f"`augmentation`: imgaug refuses {name} with {spec.get('args', {})}: {error}") from error


def _walk(augmenter: imgaug_augmenters.Augmenter) -> Iterator[imgaug_augmenters.Augmenter]:
    """Yields the augmenter and all augmenters inside it.

    A Sequential is both an augmenter and the list of its own children.
    """
    yield augmenter
    for children in augmenter.get_children_lists():
        is_inside = isinstance(children, imgaug_augmenters.Augmenter) and children is not augmenter
        for child in [children] if is_inside else children:
            yield from _walk(child)


def _to_maps(instances: Instances, image_hw: tuple[int, int]) -> np.ndarray | None:
    """Draws each object into the first label map where its pixels are free, and adds the image's own maps at the end.

    Returns:
        `[H, W, maps]` int32, i + 1 for the pixels of object i, else 0; None where there is nothing to move.
    """
    maps: list[np.ndarray] = []
    for number, (box, mask) in enumerate(zip(instances.boxes.astype(int), instances.masks, strict=True), start=1):
        place = np.s_[box[0] : box[2], box[1] : box[3]]
        free = next((layer for layer in maps if not layer[place][mask].any()), None)
        if free is None:
            free = np.zeros(image_hw, np.int32)
            maps.append(free)
        free[place][mask] = number
    maps += image_maps.to_label_maps(instances.maps)
    return np.stack(maps, axis=-1) if maps else None


def _from_maps(maps: np.ndarray, instances: Instances) -> Instances:
    """Reads the objects and the image's own maps back from augmented label maps `[H', W', maps]`."""
    masks, corners = {}, {}
    count = maps.shape[-1] - len(instances.maps)
    for layer in np.moveaxis(maps[..., :count], -1, 0):
        for number, place in enumerate(ndimage.find_objects(layer), start=1):
            if place is not None:
                masks[number] = layer[place] == number
                corners[number] = (place[0].start, place[1].start)
    numbers = sorted(masks)
    kept = np.array(numbers, int) - 1
    found = from_masks(
        masks=[masks[number] for number in numbers],
        corners=[corners[number] for number in numbers],
        class_ids=instances.class_ids[kept],
        ignore=instances.ignore[kept],
        extras=arrays.take(instances.extras, kept),
    )
    return found._replace(maps=image_maps.from_label_maps(tuple(instances.maps), maps[..., count:]))


def _moved_points(chain: imgaug_augmenters.Augmenter, points: np.ndarray, *, shape: tuple[int, ...]) -> np.ndarray:
    """Moves points `[P, 2]` (y, x) by a deterministic augmenter."""
    moved = chain.augment_keypoints(KeypointsOnImage.from_xy_array(points[:, ::-1], shape=shape))
    return moved.to_xy_array()[:, ::-1]


def _mirrors(warp: fields.Warp, shape: tuple[int, ...]) -> bool:
    """Checks whether a warp mirrors the image.

    If it does, it reverses the orientation of a triangle's corners.
    """
    corners = np.array([(1, 1), (1, 3), (3, 1)], np.float32) / 4 * shape[:2]
    corner, right, below = warp(corners)
    (y1, x1), (y2, x2) = right - corner, below - corner
    return bool(x1 * y2 - x2 * y1 < 0)
