"""Measures exported models beside the live one: seconds, memory, size of the files, and AP on a project.

    python -m benchmarks.exports --model MODEL --out DIR [--size MIN MAX] [--calibrate IMAGES] [--project DIR --tag val]

Each route is exported once into DIR, without the proof. A route runs in a process of its own, in turns with the others,
so that all of them see the same load of the machine. The table has medians of the time and of the processor time, which
other work disturbs less, and the ratio of the latter to that of the live model in float32 in the same round. A process
runs on one picture, or on as many copies of it as --batch says; its first run is not counted.
"""

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from mrcnn import events
from mrcnn.commands import arguments
from mrcnn.config.input_size import InputSize
from mrcnn.events import EventLog
from mrcnn.export import pictures, reduced, run
from mrcnn.export.formats import table
from mrcnn.export.formats.format import FLOAT16, FLOAT32, INT8
from mrcnn.model_folder import read
from mrcnn.model_folder.read import StoredModel
from mrcnn.structures import EVALUATION_SCORE_THRESHOLD

LIVE = "live"
HEAD = ("", "s/image", "CPU s/image", "CPU s to live float32", "peak GB", "MB", "box AP", "mask AP")


class Route(NamedTuple):
    """A way to run the model.

    Attributes:
        title: of the row.
        format: key of `table.FORMATS`, or `LIVE`.
        weights: kind of the weights.
        precision: of the arithmetic: of a live model as for `read.load_model`, of OpenVINO in its own name; else "".
    """

    title: str
    format: str
    weights: str = FLOAT32
    precision: str = ""

    @property
    def folder(self) -> str:
        """Name of the folder of the export."""
        return f"{self.format}-{self.weights}"


ROUTES = (
    Route("live float32", LIVE, precision="float32"),
    Route("live bfloat16", LIVE, precision="mixed_bfloat16"),
    Route("SavedModel", "saved_model"),
    Route("ONNX Runtime float32", "onnx"),
    Route("ONNX Runtime float16", "onnx", FLOAT16),
    Route("ONNX Runtime int8", "onnx", INT8),
    Route("OpenVINO float32", "openvino", precision="f32"),
    Route("OpenVINO bfloat16", "openvino", precision="bf16"),
    Route("OpenVINO int8", "openvino", INT8, precision="f32"),
    Route("LiteRT float32", "litert"),
    Route("LiteRT int8", "litert", INT8),
)
Results = dict[str, list[dict[str, Any]]]


def main(options: argparse.Namespace, log: EventLog) -> None:
    """Exports what is missing, runs all routes in turns, and prints the table."""
    chosen = [route for route in ROUTES if not options.only or route.title in options.only]
    export_all(options, chosen, log)
    results: Results = {route.title: [] for route in chosen}
    for turn in range(options.rounds):
        for route in chosen:
            results[route.title].append(measured(route, options, project=options.project if turn == 0 else None))
            log.info(f"round {turn + 1}, {route.title}: {results[route.title][-1]}")
    print(
        f"{machine()}, {options.threads or 'all'} threads, batches of {options.batch}, "
        f"{options.rounds} rounds of {options.runs} runs\n"
    )
    print(markdown(results, sizes={route.title: size_mb(options.out / route.folder) for route in chosen}))


def stored_model(options: argparse.Namespace) -> StoredModel:
    """Reads the model's settings, with the input size of the options."""
    stored = read.read_model(options.model)
    if not options.size:
        return stored
    low, high = options.size
    shape = "square" if low == high else "rectangle"
    return replace(stored, input_size=InputSize(min_dim=low, max_dim=high, shape=shape))


def export_all(options: argparse.Namespace, routes: Sequence[Route], log: EventLog) -> None:
    """Writes the exports that are not in the output folder yet, the models of int8 after those in float32.

    Raises:
        SystemExit: an export in int8 is missing, and no images are named.
    """
    absent = [route for route in routes if route.format != LIVE and not (options.out / route.folder).exists()]
    reducing = [route.title for route in absent if route.weights == INT8]
    if reducing and options.calibrate is None:
        raise SystemExit(f"{', '.join(reducing)}: --calibrate must name a folder of images; or choose others by --only")
    stored = stored_model(options)
    bundle = read.load_model(stored, score_threshold=EVALUATION_SCORE_THRESHOLD, device="cpu")
    wanted = {(route.format, route.weights) for route in absent}
    for name, weights in sorted(wanted, key=lambda item: item[1] != FLOAT32):
        folder, chosen = options.out / f"{name}-{weights}", table.find(name)
        settings = run.detector_settings(run.shaped(bundle, chosen))
        partial = folder.with_name(f"{folder.name}.partial")
        written = options.out / f"{name}-{FLOAT32}"
        if written.exists():
            shutil.copytree(written, partial)
        else:
            run.write(bundle, partial, format=chosen)
        if weights != FLOAT32:
            images = pictures.folder_pictures(
                options.calibrate,
                channels=settings.channels,
                image_range=settings.image_range,
                log=log,
                most=options.images,
            )
            reduced.reduce(chosen, partial, weights=weights, settings=settings, calibration=images, log=log)
        partial.rename(folder)


def measured(route: Route, options: argparse.Namespace, *, project: Path | None) -> dict[str, Any]:
    """Runs a route in a process of its own; see `benchmarks.exports_work`."""
    size = ["--size", *map(str, options.size)] if options.size else []
    ap = ["--project", str(project), *(["--tag", options.tag] if options.tag else [])] if project else []
    threads = ["--threads", str(options.threads)] if options.threads else []
    model = options.model if route.format == LIVE else options.out / route.folder
    command = [sys.executable, "-m", "benchmarks.exports_work", str(model), "--format", route.format]
    command += ["--precision", route.precision]
    command += ["--runs", str(options.runs), "--batch", str(options.batch), *size, *ap, *threads]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def markdown(results: Results, *, sizes: Mapping[str, float]) -> str:
    """Formats the results as a Markdown table.

    Args:
        results: of each route by title, one for each round: `seconds` and
            `cpu_seconds`, medians; `peak_gb`; `box_ap` and `mask_ap` of
            the first round, if they are measured.
        sizes: MB of the files of each route; 0 for none.
    """
    base = [item["cpu_seconds"] for item in results.get(ROUTES[0].title, [])]
    rows = [HEAD, ("---",) * len(HEAD)]
    for title, rounds in results.items():
        processor = [item["cpu_seconds"] for item in rounds]
        seconds = [f"{statistics.median(item[key] for item in rounds):.3f}" for key in ("seconds", "cpu_seconds")]
        ratios = [own / live for own, live in zip(processor, base, strict=False)]
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})" if ratios else "-"
        peak = statistics.median(item["peak_gb"] for item in rounds)
        aps = [f"{rounds[0][key]:.4f}" if key in rounds[0] else "-" for key in ("box_ap", "mask_ap")]
        size = f"{sizes[title]:.0f}" if sizes[title] else "-"
        rows.append((title, *seconds, ratio, f"{peak:.2f}", size, *aps))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def size_mb(folder: Path) -> float:
    """Adds up the sizes of the files of a folder, in MB; 0 if there is none."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Names the processor."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor() or platform.machine()


def parse(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_model(parser, required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the exports, which stay there")
    parser.add_argument("--size", type=int, nargs=2, metavar=("MIN", "MAX"), help="input size instead of the model's")
    parser.add_argument("--calibrate", type=Path, metavar="DIR", help="images, needed for int8")
    parser.add_argument("--images", type=int, default=16, metavar="N", help="how many of them are used")
    parser.add_argument("--project", type=Path, metavar="DIR", help="measure AP on it")
    parser.add_argument("--tag", metavar="NAME", help="only images with this tag")
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="images at a time; exports run one at a time")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("--only", nargs="+", metavar="TITLE", choices=[route.title for route in ROUTES])
    return parser.parse_args(given)


if __name__ == "__main__":
    main(parse(), events.make_log())
