"""Measures what an image costs in `mrcnn infer --engine`: processor seconds and bytes, and what a billion images need.

    python -m benchmarks.scale --model MODEL --images DIR... [--count 64] [--batch-size 1]
    python -m benchmarks.scale --images DIR... [--count 64]    # without a model: reading alone
    python -m benchmarks.scale --names 1000000                 # a manifest of so many names
    python -m benchmarks.scale --results 2000                  # the end of a job of so many shards

Processor seconds, of all threads of one worker, are what a core must give; unlike images a second they hardly depend on
other programs. The first images, for which the graph is built, are measured apart.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import timing
from benchmarks.throughput import repeat
from mrcnn.config.load import load_inference_config
from mrcnn.errors import counted
from mrcnn.images import pixels
from mrcnn.scale import job, manifest, rows, storage, worker

BILLION, HOUR = 10**9, 3600
FIRST = 2  # images before the measurement: the graph is built


class Cost(NamedTuple):
    """What one image costs.

    Attributes:
        decode: processor seconds to read and decode it.
        work: processor seconds of a worker in all.
        wall: seconds of a worker.
        read: bytes of the image file.
        written: bytes of the results.
        memory: peak of the worker, GB.
        start: processor seconds of a worker before its first image is done.
    """

    decode: float
    work: float
    wall: float
    read: float
    written: float
    memory: float
    start: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="as for mrcnn infer")
    parser.add_argument(
        "--images", nargs="+", metavar="PATH", help="as for mrcnn infer; repeated until there are enough"
    )
    parser.add_argument("--count", type=int, default=64, help="images that are measured")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--score-threshold", type=float)
    parser.add_argument("--names", type=int, help="measure a manifest of so many names instead")
    parser.add_argument("--results", type=int, help="measure the end of a job of so many shards instead")
    options = parser.parse_args(arguments)
    if options.names:
        print("\n".join(measure_names(options.names)))
        return
    if options.results:
        print("\n".join(measure_end(options.results, failed) for failed in (0, 1)))
        return
    with tempfile.TemporaryDirectory() as folder:
        images = repeat(options.images, Path(folder) / "images", count=options.count + FIRST)
        if options.model is None:
            print("\n".join(measure_reading(sorted(map(str, images.iterdir())))))
            return
        loading = {"device": "cpu", "score_threshold": options.score_threshold}
        work = job.Work(f"{folder}/out", options.model, loading, batch_size=options.batch_size)
        print(table(measure(work, sorted(map(str, images.iterdir())))))


def measure(work: job.Work, images: Sequence[str]) -> Cost:
    """Measures a worker of this process; the first `FIRST` images are its start."""
    measured = images[FIRST:]
    data = [Path(image).read_bytes() for image in measured]
    [decode] = timing.seconds(lambda: _decode(measured), 1, clock=time.process_time)
    began = time.process_time()
    predictor, config = worker.opened(work, worker.Lines()), load_inference_config({})
    worker.predict(predictor, images[:FIRST], config, batch_size=work.batch_size)
    start, before, clock = time.process_time() - began, time.process_time(), time.perf_counter()
    made = worker.predict(predictor, measured, config, batch_size=work.batch_size)
    written = rows.encode(made)
    count = len(measured)
    return Cost(
        decode=decode / count,
        work=(time.process_time() - before) / count,
        wall=(time.perf_counter() - clock) / count,
        read=sum(map(len, data)) / count,
        written=len(written) / count,
        memory=timing.peak_gb(),
        start=start,
    )


def table(cost: Cost) -> str:
    """Formats the cost of an image, and that of a billion."""
    lines = {
        "processor seconds of an image": f"{cost.work:.3f}",
        "of it to read and decode": f"{cost.decode:.4f} ({cost.decode / cost.work:.1%})",
        "seconds of an image, this machine as it is": f"{cost.wall:.3f}",
        "bytes read of an image": f"{cost.read:,.0f}",
        "bytes written of an image": f"{cost.written:,.0f}",
        "peak memory of a worker": f"{cost.memory:.2f} GB",
        "processor seconds to start a worker": f"{cost.start:.1f}",
        "a billion images: core hours": f"{BILLION * cost.work / HOUR:,.0f}",
        "a billion images: read": f"{BILLION * cost.read / 1e12:,.1f} TB",
        "a billion images: written": f"{BILLION * cost.written / 1e12:,.2f} TB",
        "a core reads": f"{cost.read / cost.work / 1e6:.2f} MB/s",
    }
    return "\n".join(f"{name:<44}{value:>24}" for name, value in lines.items())


def measure_names(count: int) -> list[str]:
    """Measures a manifest of `count` names of object storage: time, size and peak memory."""
    began = time.process_time()
    listed = manifest.Manifest(
        tuple(f"s3://bucket/photos/{number // 1000:07d}/{number:012d}.jpg" for number in range(count))
    )
    made = time.process_time() - began
    digest = timing.seconds(listed.checksum, 1, clock=time.process_time)[0]
    began = time.process_time()
    data = manifest.write(listed, shard_size=job.SHARD_SIZE)
    written = time.process_time() - began
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "manifest.parquet"
        place.write_bytes(data)
        [one] = timing.seconds(lambda: manifest.read_shard(str(place), count // job.SHARD_SIZE // 2), 1)
    return [
        f"{count:,} names: made in {made:.1f} s, checksum {digest:.1f} s, written in {written:.1f} s",
        f"{len(data):,} bytes, {-(-count // job.SHARD_SIZE):,} shards, one of them read in {one * 1000:.0f} ms",
        f"peak memory {timing.peak_gb():.2f} GB",
    ]


def measure_end(shards: int, failed: int) -> str:
    """Measures `Job.finish` for shards with `failed` failed images; the others have 7 detections of 80 classes."""
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        images = tuple(f"/photos/{number:09d}.jpg" for number in range(shards * job.SHARD_SIZE))
        found = job.start(folder, manifest.Manifest(images), shard_size=job.SHARD_SIZE, facts={})
        for shard in range(shards):
            listed = found.images_of(shard)
            made = [rows.of_failure(image, "cannot be decoded") for image in listed[:failed]]
            made += [_random_row(image, random) for image in listed[failed:]]
            storage.write_bytes(found.place_of(shard), rows.encode(made))
        size = sum(path.stat().st_size for path in Path(folder, job.SHARDS).iterdir())
        seconds = statistics.median(timing.seconds(found.finish, 3, clock=time.process_time))
    bad = counted(failed, "failed image")
    return (
        f"the end of a job of {shards:,} shards of {size / shards / 1000:,.0f} kB with {bad} each: "
        f"{seconds:.2f} processor seconds"
    )


def _random_row(image: str, random: np.random.Generator) -> dict[str, Any]:
    ids = random.integers(1, 81, 7)
    return {
        "image": image,
        "height": 480,
        "width": 640,
        "boxes": random.random((7, 4), np.float32).tolist(),
        "scores": random.random(7, np.float32).tolist(),
        "class_ids": ids.tolist(),
        "classes": [f"class {number}" for number in ids],
        "masks": [random.integers(48, 110, 300, np.uint8).tobytes().decode() for _ in ids],
        "extras": ["{}"] * 7,
        "error": None,
    }


def measure_reading(images: Sequence[str]) -> list[str]:
    """Measures reading and decoding images: processor seconds of one, and bytes."""
    _decode(images[:FIRST])
    [seconds] = timing.seconds(lambda: _decode(images), 1, clock=time.process_time)
    size = sum(Path(image).stat().st_size for image in images) / len(images)
    return [f"{seconds / len(images) * 1000:.2f} ms of a processor to read and decode an image of {size:,.0f} bytes"]


def _decode(images: Sequence[str]) -> None:
    for image in images:
        pixels.read_image(image)


if __name__ == "__main__":
    main(sys.argv[1:])
