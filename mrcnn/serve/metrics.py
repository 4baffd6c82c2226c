"""Metrics of the service in the Prometheus text format.

With several worker processes the library keeps each process's numbers in files of one folder and sums them for a
scrape. The environment variable `FOLDER_VARIABLE` names the folder; it is set before the workers start.
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
    """The metrics of one process.

    Attributes:
        requests: counter of answered requests, by path template and status.
        seconds: histogram of their durations, by path template.
        in_progress: gauge of requests that wait or are processed.
        batch_images: histogram of the images per run of the model.
    """

    def __init__(self) -> None:
        """Registers all metrics, at zero."""
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
        """Writes the metrics in the Prometheus text format, summed over all workers."""
        if folder := os.environ.get(FOLDER_VARIABLE):
            _forget_the_dead(folder)
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return generate_latest(registry)
        return generate_latest(self._registry)


def _forget_the_dead(folder: str) -> None:
    """Removes the in-progress gauges of dead workers, which nothing else would ever decrease."""
    for path in Path(folder).glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            multiprocess.mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
