"""Completes an exported network to a function of images, with the live model's preprocessing and postprocessing.

For formats whose graph ends with masks inside their boxes.
Shape letters: Hi Wi height and width of the model input, D output slots, H W the image.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrcnn.predict import outputs, pasted, postprocess, preprocess
from mrcnn.predict.outputs import PROBABILITIES, ImageFunction
from mrcnn.structures import OutputRules

NetworkFunction = Callable[[np.ndarray, np.ndarray], Mapping[str, Any]]
RULES = OutputRules()
FIXED = ("boxes", "class_ids", "scores", "masks")


@dataclass(frozen=True)
class InputRules:
    """How an image enters a network and its detections leave it.

    Attributes:
        class_names: title of each class id, the background first.
        min_dim: target of an image's short side in pixels; images are enlarged to it as far as `max_dim` allows.
        max_dim: longest side of the model input in pixels.
        channels: channel count of an image.
        image_resize: the method of `data.resize.resize_image`.
        rules: how boxes are rounded and masks resized.
        shape: of the model input, as for `data.resize.resize_plan`.
        fit: the rule of `data.resize.resize_plan`.
        maps: names of the maps of whole images that the network predicts.
    """

    class_names: tuple[str, ...]
    min_dim: int
    max_dim: int
    channels: int = 3
    image_resize: str = "exact"
    rules: OutputRules = RULES
    shape: str = "square"
    fit: str = "centred"
    maps: tuple[str, ...] = ()

    def of_input(self) -> dict[str, Any]:
        """The arguments of `preprocess.prepare`."""
        names = ("min_dim", "max_dim", "shape", "channels", "image_resize", "fit")
        return {name: getattr(self, name) for name in names}


def image_function(network: NetworkFunction, settings: InputRules) -> ImageFunction:
    """Adds preprocessing before a network and postprocessing after it; arguments as for `cropped_function`.

    Returns:
        A function of an image `[H, W, channels]` uint8; it returns the outputs of `outputs.of_detections`, by
        descending score.
    """
    find = cropped_function(network, settings)
    return lambda image: pasted.dense(find(image), image.shape[:2])


def cropped_function(network: NetworkFunction, settings: InputRules) -> Callable[[np.ndarray], Mapping[str, Any]]:
    """Does the same as `image_function`, but crops the masks to their boxes.

    Args:
        network: maps images `[1, Hi, Wi, channels]` and windows `[1, 4]`, float32, to the fields of `RawDetections` by
            name, `[1, D, ...]` arrays or tensors, and maps `[1, ...]`.
        settings: of the network.

    Returns:
        A function of an image; its results are those of `image_function`, but `masks` is a tuple of `CroppedMask`.
    """

    def detect(image: np.ndarray) -> Mapping[str, Any]:
        [prepared] = preprocess.prepare([image], **settings.of_input())
        fields = network(prepared.images, prepared.windows)
        raw = outputs.unnamed({name: np.asarray(value)[0] for name, value in fields.items()}, maps=settings.maps)
        found, slots = postprocess.with_slots(
            raw,
            prepared.plans[0],
            image_size=prepared.plans[0].original_hw,
            class_names=settings.class_names,
            rules=settings.rules,
        )
        fixed = {name: getattr(found, name) for name in FIXED}
        return {**fixed, PROBABILITIES: raw.masks[slots], **found.extras, **found.maps}

    return detect
