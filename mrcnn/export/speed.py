"""Measures the time of an exported file beside the live model's, by which `runtime: auto` chooses."""

import time
from collections.abc import Collection
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from mrcnn.export.pictures import Picture
from mrcnn.predict.staged import AnyPredictor

PICTURES = 2
ROUNDS = 3
LEAST_SHARE = 0.7  # seconds of processor time in a second, of one thread or more; less means that others computed
clock, processor = time.perf_counter, time.process_time


class Speed(NamedTuple):
    """Seconds of an image, each model with its own choice of threads.

    Attributes:
        live: of the live model.
        exported: of the exported file in its runtime.
        images: number of images; each was run `ROUNDS` times, of which the shortest counts.
        device: of the live model, "CPU" or "GPU"; the exported file runs on the CPU, except a SavedModel.
        busy: whether other programs computed at the same time, so that the times are uncertain.
    """

    live: float
    exported: float
    images: int
    device: str
    busy: bool = False

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
            "busy": self.busy,
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
        runs: tuple[list[tuple[float, float]], ...] = ([], [])
        for counted in (False, *[True] * ROUNDS):
            for timed, predictor in zip(runs, (live, exported), strict=True):
                began, computed = clock(), processor()
                predictor.predict_compact([image])
                if counted:
                    timed.append((clock() - began, processor() - computed))
        shortest.append([min(timed) for timed in runs])
    times, computing = np.array(shortest).sum(axis=0).T  # of the live model and of the file
    count = len(shortest)
    busy = device == "CPU" and bool((computing < LEAST_SHARE * times).any())
    return Speed(float(times[0]) / count, float(times[1]) / count, count, device, busy=busy)
