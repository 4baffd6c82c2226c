"""The pictures of an inference: detections and stuff in the colours of their classes, drawn over an image."""

import numpy as np

from mrcnn import optional
from mrcnn.annotate import labels
from mrcnn.predict.regions import Found
from mrcnn.predict.staged import AnyPredictor

PURPOSE = "--overlay"


class Overlay:
    """Draws the detections of images that a run writes."""

    def __init__(self, predictor: AnyPredictor, naming: labels.Naming, *, by_class: bool = False):
        """Prepares the colours.

        Args:
            predictor: the model, for the colours of its classes.
            naming: which classes are written.
            by_class: colour objects by class also where there is only one; else each object then has its own colour.

        Raises:
            UserError: the packages that draw pictures are not installed.
        """
        self._draw = optional.load("mrcnn.annotate.draw", extra="draw", purpose=PURPOSE)
        self._naming, self._fields = naming, predictor.fields
        colors = {item.title: item.color for item in predictor.facts.class_metas}
        self._colors = colors if by_class or len(colors) > 1 else None
        self._stuff = {item.title: item.color for item in predictor.facts.stuff_metas}

    def draw(self, image: np.ndarray, found: Found) -> np.ndarray:
        """Draws the detections of an image.

        Args:
            image: `[H, W, channels]` uint8.
            found: its detections.

        Returns:
            As `draw.draw`.
        """
        picture: np.ndarray = self._draw.draw(
            _rgb(image),
            labels.select(found.detections, self._naming),
            class_colors=self._colors,
            fields=self._fields,
            regions=[(name, mask, self._stuff[name]) for name, mask in labels.stuff(found.detections, self._naming)],
        )
        return picture

    def encode(self, picture: np.ndarray, suffix: str) -> bytes:
        """Encodes a picture in the image format of a file suffix; see `draw.encode`."""
        content: bytes = self._draw.encode(picture, suffix)
        return content


def _rgb(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[..., :3]) if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)
