"""Measures loading of Matterport's largest common file: ResNet-101, 81 classes, 257 MB.

The file holds seeded noise. Each run is a separate process, and its clock starts after the import of TensorFlow. Memory
is the peak resident set less the resident set before the step; for all steps together the model's own parameters are
subtracted too, since they stay in memory. The file was just written, so it is read from the system's cache and not from
the disk.

    python -m benchmarks.load
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.model_folder import read
from mrcnn.models import build
from mrcnn.weights import apply, hdf5

BACKBONE = "resnet101"
CLASSES = 81
NAMES = "coco"
FLOAT_BYTES = 4
STEPS = ("read_facts", "build", "weights")


class Noise:
    """A stand-in for a Keras variable, filled with noise, to be written to the file."""

    def __init__(self, shape, generator):
        """Draws the values from a normal distribution of standard deviation 0.01.

        Args:
            shape: shape of the weight.
            generator: numpy's random generator.
        """
        self.shape = shape
        self._values = 0.01 * generator.standard_normal(shape, dtype=np.float32)

    def numpy(self) -> np.ndarray:
        """Returns the values, float32."""
        return self._values


def main() -> None:
    """Prints the medians of runs in separate processes; with `--file` one run as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="processes; the median counts")
    parser.add_argument("--file", help="measure this file in this process and print JSON")
    options = parser.parse_args()
    if options.file:
        print(json.dumps(measure(options.file)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.h5")
        write(path)
        print(table([_run(path) for _ in range(options.runs)]))


def write(path: str) -> None:
    """Writes the weight file of seeded noise."""
    generator = np.random.default_rng(0)
    layers = build.build_model(
        MatterportConfig(compatibility="matterport", backbone=BACKBONE), num_classes=CLASSES
    ).weight_layout()
    hdf5.write_file(
        path,
        [(layer, [(name, Noise(each.shape, generator)) for name, each in weights]) for layer, weights in layers],
    )


def measure(path: str) -> dict[str, float]:
    """Loads a file once and measures each step.

    Returns:
        Seconds of each of `STEPS` and of `all`; `weights_gb`, the peak memory in GB above the built model; `all_gb`,
        the peak memory of all steps above the parameters; `file_mb`, the size of the file in MB.
    """
    at_first = _resident()
    seconds, started = {}, time.perf_counter()
    stored = read.read_model(path, classes=NAMES)
    seconds["read_facts"] = time.perf_counter() - started
    started = time.perf_counter()
    layout = build.build_model(stored.config, num_classes=CLASSES).weight_layout()
    seconds["build"] = time.perf_counter() - started
    peak_of_build, before = _peak(), _resident()
    started = time.perf_counter()
    report = apply.load_into(layout, path)
    seconds["weights"] = time.perf_counter() - started
    peak = _peak()
    return {
        **seconds,
        "all": sum(seconds.values()),
        "weights_gb": peak - before,
        "all_gb": max(peak, peak_of_build) - at_first - report.parameters * FLOAT_BYTES / 1e9,
        "file_mb": Path(path).stat().st_size / 1e6,
    }


def table(runs: list[dict[str, float]]) -> str:
    """Formats the medians of the runs."""
    median = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    return "\n".join(
        [
            f"a file of {median['file_mb']:.0f} MB, median of {len(runs)} runs",
            f"{'weights onto the built model':<32}{median['weights']:>7.2f} s{median['weights_gb']:>7.2f} GB above it",
            f"{'reading what the file is':<32}{median['read_facts']:>7.2f} s",
            f"{'building the model':<32}{median['build']:>7.2f} s",
            f"{'the whole way':<32}{median['all']:>7.2f} s{median['all_gb']:>7.2f} GB above the parameters",
        ]
    )


def _run(path: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.load", "--file", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"a run failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def _resident() -> float:
    """Returns the resident memory in GB and resets the peak to it."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> float:
    """Returns the peak resident memory since the last call of `_resident`, in GB."""
    return _status("VmHWM")


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith(f"{key}:"))
    return int(value) * 1024 / 1e9


if __name__ == "__main__":
    main()
