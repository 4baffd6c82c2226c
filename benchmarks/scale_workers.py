"""Measures `--engine local` with several numbers of workers on this machine: images a second, and memory of a worker.

    python -m benchmarks.scale_workers --model MODEL --images DIR... [--workers 1 2] [--count 128] [--runs 3]

The workers share the cores. The numbers of workers alternate from run to run, so that other programs disturb all alike,
and the medians are printed. All workers load the model before the first begins, and the first shard of each, for which
the graph is built, is not measured.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks import timing
from benchmarks.throughput import repeat
from mrcnn.events import EventLog
from mrcnn.predict.staged import AnyPredictor
from mrcnn.scale import job, local, machine, manifest, worker

SHARD = 8  # images
OPENER, MEETING = "opener.json", "meeting"  # in the folder of a run: what the workers open; a file for each that has
LONGEST = 300  # seconds that a worker waits for the others


class Speed(NamedTuple):
    """What a run measured.

    Attributes:
        rate: images a second of all workers together.
        memory: largest peak of a worker, GB.
        start: seconds until each worker has finished a shard.
    """

    rate: float
    memory: float
    start: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="as for mrcnn infer")
    parser.add_argument("--images", nargs="+", required=True, metavar="PATH", help="repeated until there are enough")
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2], help="numbers of workers")
    parser.add_argument("--count", type=int, default=128, help=f"measured images, a multiple of {SHARD}")
    parser.add_argument("--runs", type=int, default=3, help="runs of each number")
    options = parser.parse_args(arguments)
    if options.count < SHARD or options.count % SHARD:
        parser.error(f"--count must be a multiple of {SHARD}, the images of a shard, got {options.count}")
    if min(*options.workers, options.runs) < 1:
        parser.error("--workers and --runs must be at least 1")
    work = job.Work("", options.model, {"device": "cpu"})
    found: dict[int, list[Speed]] = {number: [] for number in options.workers}
    for _ in range(options.runs):
        for number, speeds in found.items():
            speeds.append(measure(work, options.images, workers=number, count=options.count))
    print("\n".join(table(found)))


def measure(work: job.Work, images: Sequence[str], *, workers: int, count: int) -> Speed:
    """Runs a job of `count` images, and a shard more for each worker.

    Args:
        work: the model and its settings; the output is a temporary folder.
        images: of the job, repeated until there are enough.
        workers: number of processes.
        count: images that are measured, a multiple of `SHARD`.
    """
    with tempfile.TemporaryDirectory() as folder:
        listed = manifest.find([str(repeat(images, Path(folder) / "images", count=count + workers * SHARD))])
        started = job.start(f"{folder}/out", listed, shard_size=SHARD, facts={})
        Path(folder, MEETING).mkdir()
        Path(folder, OPENER).write_text(json.dumps([work.opener, workers]))
        here = replace(work, output=started.place, opener="benchmarks.scale_workers:open_together")
        began, times, memory = time.perf_counter(), [], 0.0
        for _ in local.run(here, started.missing(), workers=workers, gpus=(), warn=print):
            times.append(time.perf_counter() - began)
            memory = max([memory, *(_peak(child.pid) for child in multiprocessing.active_children())])
    start = times[workers - 1]
    return Speed(rate=(len(times) - workers) * SHARD / (times[-1] - start), memory=memory, start=start)


def open_together(work: job.Work, log: EventLog) -> AnyPredictor:
    """Opens the predictor of a work, and waits until all workers have opened theirs."""
    folder = Path(work.output).parent
    opener, workers = json.loads((folder / OPENER).read_text())
    found = worker.opened(replace(work, opener=opener), log)
    (folder / MEETING / str(os.getpid())).touch()
    until = time.monotonic() + LONGEST
    while len(list((folder / MEETING).iterdir())) < workers and time.monotonic() < until:
        time.sleep(0.05)
    return found


def table(found: dict[int, list[Speed]]) -> list[str]:
    """Formats the medians of each number of workers, and the rates relative to the first number."""
    lines, base = [f"{len(machine.cores())} cores, medians"], 0.0
    for workers, speeds in found.items():
        rate, memory, start = (statistics.median(values) for values in zip(*speeds, strict=True))
        base = base or rate
        lines.append(
            f"{workers:>3} workers: {rate:.2f} images a second ({rate / base:.2f} times), {memory:.2f} GB a worker, "
            f"started after {start:.0f} s"
        )
    return lines


def _peak(process: int | None) -> float:
    try:
        return timing.peak_gb(Path(f"/proc/{process}/status"))
    except (OSError, ValueError):  # it has ended
        return 0.0


if __name__ == "__main__":
    main(sys.argv[1:])
