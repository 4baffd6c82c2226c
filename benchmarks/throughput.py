"""Measures `inference.py` over many images: images a second, and the time in which the model does not run.

    python -m benchmarks.throughput --model MODEL --images DIR... [--count 300] [options of inference.py]

The images are repeated by links until there are enough. The run is that of `inference.py`, in a process of its own, on
a temporary output. The first batch, for which the graph is built, is measured apart.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from mrcnn import startup
from mrcnn.commands import infer
from mrcnn.predict import image_files

START, RESULT = "MRCNN_BENCHMARK_START", "MRCNN_BENCHMARK_RESULT"  # environment of the measured process


class Call(NamedTuple):
    """A call of the model.

    Attributes:
        begin: time before the call, in seconds as of `time.time`.
        end: time after the call, when the result is in the computer's memory; same unit.
        images: number of images in the batch.
    """

    begin: float
    end: float
    images: int


def main() -> None:
    """Measures a run in another process, or runs in this one and writes the measurements."""
    if START in os.environ:
        sys.exit(_measured(sys.argv[1:], float(os.environ[START]), Path(os.environ[RESULT])))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", nargs="+", required=True, metavar="PATH", help="as for inference.py")
    parser.add_argument("--count", type=int, default=300, help="images of the run")
    options, others = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        images = repeat(options.images, Path(folder) / "images", count=options.count)
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", "benchmarks.throughput", "--images", str(images)]
        environment = os.environ | {START: repr(time.time()), RESULT: str(result)}
        output = ["--output", str(Path(folder) / "output"), "--log-format", "json"]
        done = subprocess.run(
            [*command, *output, *others], env=environment, stderr=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.stderr)
        print(table(json.loads(result.read_text()), count=options.count))


def repeat(places: Sequence[str], folder: Path, *, count: int) -> Path:
    """Links images into a new folder, again and again until there are `count`."""
    folder.mkdir()
    for number, path in enumerate(islice(cycle(image_files.find(places).paths), count)):
        (folder / f"{number:05}{path.suffix}").symlink_to(path.absolute())
    return folder


def table(measured: dict[str, float], *, count: int) -> str:
    """Formats the measurements of a run over `count` images."""
    rows = {
        "start-up, command to first batch": f"{measured['startup']:.1f} s",
        "first batch, with building the graph": f"{measured['first']:.1f} s",
        "after the first batch": f"{measured['wall']:.1f} s",
        "of it inside the model": f"{measured['inside']:.1f} s",
        "share of wall time outside the model": f"{1 - measured['inside'] / measured['wall']:.1%}",
        "images/s": f"{measured['images'] / measured['wall']:.2f}",
        "processor time of the run": f"{measured['processor']:.1f} s",
        "peak memory": f"{measured['memory']:.2f} GB",
    }
    return "\n".join([f"{count} images", *(f"{name:<40}{value:>10}" for name, value in rows.items())])


def _measured(arguments: Sequence[str], start: float, result: Path) -> int:
    predictor = startup.load("mrcnn.predict.predictor").Predictor
    detect, calls = predictor.detect, []

    def timed(self, batch):
        begin = time.time()
        raw = detect(self, batch)
        calls.append(Call(begin, time.time(), len(batch.images)))
        return raw

    predictor.detect = timed
    code = infer.main(arguments)
    if not calls:
        return code or 1
    end, first, rest = time.time(), calls[0], calls[1:]
    measured = {
        "startup": first.begin - start,
        "first": first.end - first.begin,
        "wall": end - first.end,
        "inside": sum(call.end - call.begin for call in rest),
        "images": sum(call.images for call in rest),
        "processor": time.process_time(),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }
    result.write_text(json.dumps(measured))
    return code


if __name__ == "__main__":
    main()
