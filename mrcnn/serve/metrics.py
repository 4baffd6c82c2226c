"""What the service measures of itself, in Prometheus' form.

With several worker processes the library keeps the numbers in files of one folder and adds them up when asked; the
folder is named in the environment before the workers start.
"""

import os
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
    multiprocess,
)

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one process.

    Attributes:
        requests: how many were answered, by path template and status.
        seconds: how long they took, by path template.
        in_progress: requests that are waiting or worked on.
        batch_images: how many images went through the model together.
    """

    def __init__(self) -> None:
        """Starts at zero."""
        self._registry = CollectorRegistry()
        self.requests = Counter("mrcnn_requests", "Requests answered.", ("path", "status"), registry=self._registry)
        self.seconds = Histogram(
            "mrcnn_request_seconds", "From the headers to the whole answer.", ("path",), registry=self._registry,
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
        )  # fmt: skip
        self.in_progress = Gauge(
            "mrcnn_requests_in_progress", "Requests waiting or worked on.", registry=self._registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self.batch_images = Histogram(
            "mrcnn_batch_images", "Images that went through the model together.", registry=self._registry,
            buckets=(1, 2, 4, 8, 16, 32, 64),
        )  # fmt: skip
        ProcessCollector(registry=self._registry)

    def render(self) -> bytes:
        """Writes the numbers of all workers."""
        if folder := os.environ.get(FOLDER_VARIABLE):
            _forget_the_dead(folder)
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return generate_latest(registry)
        return generate_latest(self._registry)


def _forget_the_dead(folder: str) -> None:
    """Removes what workers that died had in progress; nobody else ever counts it down."""
    for path in Path(folder).glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            multiprocess.mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
