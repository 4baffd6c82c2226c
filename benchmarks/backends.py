"""Compares the speed of Keras' back ends for inference or training on this machine's CPU.

    python -m benchmarks.backends --jax-python .venv-jax/bin/python --torch-python .venv-torch/bin/python
    python -m benchmarks.backends --call step --short-side 256 --clock processor

`make test-backends` makes the two environments. Each back end has a process of its own, with the same model of random
weights (torchvision's ResNet-50-FPN, 81 classes) and the same image. A call is a whole `Predictor.predict`, from uint8
pixels to boolean masks, or with `--call step` a training step of Keras' `fit` on a batch of that image with 8 objects:
forward and backward pass and SGD's update. The processes take turns, one call each, so that a change of the machine's
speed affects all.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from benchmarks import peers_ours
from benchmarks.peers_work import CLASSES, CLOCKS, Case
from mrcnn.model_folder import write
from mrcnn.project.meta import ClassMeta, ProjectMeta

ROOT = Path(__file__).parents[1]
BACKGROUND = "background"
FOUND = {"prediction": "objects", "step": "loss"}  # what a call returns


class Measured(TypedDict):
    """What was measured of one back end.

    Attributes:
        ready: seconds, always of wall time, to load the model and run two calls, of which the first compiles.
        found: objects in the image, or the loss of the second step.
        seconds: of each call.
        peak_gb: the process's peak memory.
    """

    ready: float
    found: float
    seconds: list[float]
    peak_gb: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the model, runs all back ends in turn and prints the table."""
    options = parse(arguments)
    pythons = {"tensorflow": sys.executable, "jax": options.jax_python, "torch": options.torch_python}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        write_model(model, short_side=options.short_side)
        how = [*map(str, options.size), options.call, options.clock]
        commands = {name: [python, "-m", options.worker, str(model), *how] for name, python in pythons.items()}
        print(table(in_turn(commands, rounds=options.rounds), call=options.call, clock=options.clock))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jax-python", default=".venv-jax/bin/python", help="Python with JAX")
    parser.add_argument("--torch-python", default=".venv-torch/bin/python", help="Python with PyTorch")
    parser.add_argument("--size", type=int, nargs=2, default=(480, 640), metavar=("H", "W"), help="pixels of the image")
    parser.add_argument("--short-side", type=int, default=800, help="of the model input")
    parser.add_argument("--rounds", type=int, default=7, help="calls of each back end")
    parser.add_argument("--call", choices=FOUND, default="prediction", help="what is measured")
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="wall time, or processor time of all threads where other work runs on the same cores",
    )
    parser.add_argument("--worker", default="benchmarks.backends_work", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if min(options.rounds, options.short_side, *options.size) < 1:
        parser.error("--rounds, --short-side and --size must be at least 1")
    return options


def write_model(folder: Path, *, short_side: int) -> None:
    """Writes a model folder of torchvision's network with random weights whose scores are spread."""
    case = Case((64, 64), family="torchvision")
    model = peers_ours.new_model(case)
    values = peers_ours.spread(peers_ours.weights_of(model), logits=peers_ours.OWN_LOGIT_FACTOR)
    for _, entries in model.weight_layout():
        for name, variable in entries:
            variable.assign(values[name])
    titles = [f"class {number}" for number in range(1, CLASSES)]
    content = write.folder_config(
        ProjectMeta(classes=tuple(ClassMeta(title) for title in titles)),
        {title: number for number, title in enumerate([BACKGROUND, *titles])},
        settings={"input_size": {"min_dim": short_side, "max_dim": 2 * short_side, "shape": "rectangle"}},
        model=peers_ours.settings(case).model_dump(mode="json"),
        background=BACKGROUND,
    )
    write.write_folder(folder, content, model.weight_layout())


def in_turn(commands: Mapping[str, Sequence[str]], *, rounds: int) -> dict[str, Measured]:
    """Starts the processes one after the other, then asks each in turn for a call, `rounds` times.

    Args:
        commands: by the name of the back end.
        rounds: number of calls of each.

    Raises:
        ValueError: a process ended early.
    """
    running: dict[str, subprocess.Popen[str]] = {}
    results: dict[str, Measured] = {}
    try:
        for name, command in commands.items():
            environment = {**os.environ, "KERAS_BACKEND": name}
            running[name] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
            )
            first = _read(running[name], name)
            results[name] = Measured(ready=first["ready"], found=first["found"], seconds=[], peak_gb=0.0)
        for _ in range(rounds):
            for name, process in running.items():
                print(file=process.stdin, flush=True)
                one = _read(process, name)
                results[name]["seconds"].append(one["seconds"])
                results[name]["peak_gb"] = one["peak_gb"]
    finally:
        for process in running.values():
            process.communicate()  # closes its input, at whose end it ends
    return results


def _read(process: subprocess.Popen[str], name: str) -> dict[str, Any]:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise ValueError(f"the process of {name} ended: see its message above")
    read: dict[str, Any] = json.loads(line)
    return read


def table(results: Mapping[str, Measured], *, call: str = "prediction", clock: str = "wall") -> str:
    """Formats a table with a row for each back end: medians, and least and greatest in brackets.

    Args:
        results: by the name of the back end.
        call: key of `FOUND`.
        clock: key of `peers_work.CLOCKS`.
    """
    unit = "s" if clock == "wall" else "processor s"
    head = f"| back end | {unit} a {call} | s until ready | peak GB | {FOUND[call]} |"
    lines = [head, "| --- | --- | --- | --- | --- |"]
    for name, one in results.items():
        taken = one["seconds"]
        spread = f"{statistics.median(taken):.2f} ({min(taken):.2f}-{max(taken):.2f})"
        lines.append(f"| {name} | {spread} | {one['ready']:.1f} | {one['peak_gb']:.2f} | {one['found']:.6g} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
