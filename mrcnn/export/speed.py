"""Measures the time of an exported file beside the live model's, by which `runtime: auto` chooses."""

import time
from collections.abc import Collection
from itertools import islice
from typing import Any, NamedTuple

from mrcnn.export.pictures import Picture
from mrcnn.predict.staged import AnyPredictor

PICTURES = 2
ROUNDS = 3
clock = time.perf_counter


class Speed(NamedTuple):
    """Seconds of an image, each model with its own choice of threads.

    Attributes:
        live: of the live model.
        exported: of the exported file in its runtime.
        images: number of images; each was run `ROUNDS` times, of which the shortest counts.
        device: of the live model, "CPU" or "GPU"; the exported file runs on the CPU, except a SavedModel.
    """

    live: float
    exported: float
    images: int
    device: str

    @property
    def ratio(self) -> float:
        """Time of the exported file as a share of the live model's."""
        return self.exported / max(self.live, 1e-9)

    def to_json(self) -> dict[str, Any]:
        """Converts the times to the form that they have in `verify.json`."""
        return {
            "live_seconds": self.live,
            "exported_seconds": self.exported,
            "ratio": self.ratio,
            "images": self.images,
            "device": self.device,
        }


def measure(live: AnyPredictor, exported: AnyPredictor, pictures: Collection[Picture], *, device: str) -> Speed:
    """Measures both models on the first pictures, in alternation; a first run of each does not count.

    Args:
        live: the live model.
        exported: the exported file in its runtime.
        pictures: at least one image, as for the proof.
        device: as in `Speed`.
    """
    shortest = []
    for _, image in islice(pictures, PICTURES):
        times: dict[int, list[float]] = {0: [], 1: []}
        for counted in (False, *[True] * ROUNDS):
            for place, predictor in enumerate((live, exported)):
                began = clock()
                predictor.predict_compact([image])
                if counted:
                    times[place].append(clock() - began)
        shortest.append((min(times[0]), min(times[1])))
    own, other = (sum(values) / len(shortest) for values in zip(*shortest, strict=True))
    return Speed(own, other, len(shortest), device)
