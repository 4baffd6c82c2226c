"""How the model looks at the pictures of a run; one function per mode name of the inference config.

A mode takes pictures and yields, in the same order, each picture with what was found in it. It reads no further ahead
than a batch, so a run needs memory for a batch only.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np

from mrcnn.config.inference import Mode
from mrcnn.infer import sources
from mrcnn.infer.sources import Picture
from mrcnn.structures import Detections


class Predicts(Protocol):
    """What a mode needs of `Predictor`."""

    def predict(self, images: Iterable[np.ndarray], *, batch_size: int | None = None) -> list[Detections]:
        """Finds the objects of each image."""


Found = Iterator[tuple[Picture, Detections]]
Runner = Callable[[Predicts, Iterable[Picture], Mode, int], Found]


def full_image(predictor: Predicts, pictures: Iterable[Picture], mode: Mode, batch_size: int) -> Found:
    """Looks at each whole image once."""
    waiting = iter(pictures)
    while batch := sources.take(waiting, batch_size):
        yield from zip(batch, predictor.predict([item.image for item in batch], batch_size=batch_size), strict=True)


RUNNERS: dict[str, Runner] = {"full_image": full_image}
