"""Compares the speed and memory of this project's Mask R-CNN and torchvision's on this machine's CPU.

    python -m benchmarks.peers --torch-python .venv-torch/bin/python --out runs/peers.json

Both have the same architecture (ResNet-50-FPN), the same random weights, the same images, and settings that make the
same amount of work: `peers_work.CASES`. Detection is a whole call, from a uint8 image to boxes and boolean masks of the
image's size; training is a whole step of all layers. Each measurement is a process of its own. They run in turn, ours,
torchvision's, ours, and so on; each run of ours and the next of torchvision's give a ratio, so that a change of the
machine's speed affects both. torchvision runs with the memory layout that was faster in a first trial. Both use their
libraries' default number of threads; `taskset` limits it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import peers_work
from mrcnn.model_folder import precision

OURS = "benchmarks.peers_ours"
THEIRS = "benchmarks.peers_torchvision"
LAYOUTS = ("default", "channels-last")  # of torchvision's side
PAIRS = 5
ROOT = Path(__file__).parents[1]

Result = dict[str, Any]


class Pair(NamedTuple):
    """The results of two processes that ran one after the other."""

    ours: Result
    theirs: Result


class Spread(NamedTuple):
    """Median, least and greatest of some values."""

    median: float
    least: float
    greatest: float

    def __str__(self) -> str:
        """Formats the values, `0.75 (0.70-0.81)`."""
        return f"{self.median:.2f} ({self.least:.2f}-{self.greatest:.2f})"


class Row(NamedTuple):
    """All pairs of one case in one precision.

    Attributes:
        case: key of `peers_work.ALL`.
        precision: `float32` or `bf16`.
        layout: memory layout of torchvision's side.
        pairs: the results, at least one.
    """

    case: str
    precision: str
    layout: str
    pairs: Sequence[Pair]

    def spread(self, of: Callable[[Pair], float]) -> Spread:
        """Computes median and range of a value of each pair."""
        values = [of(pair) for pair in self.pairs]
        return Spread(statistics.median(values), min(values), max(values))

    def ratio(self, key: str) -> Spread:
        """Computes median and range of the pairs' ratios, ours to torchvision's, of a result by its key."""
        return self.spread(lambda pair: pair.ours[key] / pair.theirs[key])


def main() -> None:
    """Runs the command line."""
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        ours = [sys.executable, "-m", OURS, folder]
        theirs = [options.torch_python, "-m", THEIRS, folder]
        run_side([*ours, "--prepare"])
        rows = []
        for case in options.case:
            for number_format in options.precision or default_precisions():
                how = ["--case", case, "--precision", number_format]
                how += ["--warm-up", str(options.warm_up), "--runs", str(options.runs), "--clock", options.clock]
                layout = options.layout or faster_layout(
                    lambda layout, how=how: read_side([*theirs, *how, "--layout", layout])
                )
                pairs = alternate(
                    options.pairs,
                    ours=lambda how=how: read_side([*ours, *how]),
                    theirs=lambda how=how, layout=layout: read_side([*theirs, *how, "--layout", layout]),
                )
                rows.append(collect(Row(case, number_format, layout, []), pairs))
                if options.out:
                    options.out.parent.mkdir(parents=True, exist_ok=True)
                    options.out.write_text(json.dumps(record(rows, clock=options.clock), indent=1) + "\n")
    print(table(rows, clock=options.clock))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=peers_work.ALL, default=list(peers_work.CASES))
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=peers_work.PRECISIONS,
        help="default: float32, and bf16 where the CPU has bfloat16 instructions",
    )
    parser.add_argument("--pairs", type=int, default=PAIRS, help="pairs of runs of each case")
    parser.add_argument("--runs", type=int, default=3, help="timed calls in each process; their median counts")
    parser.add_argument("--warm-up", type=int, default=peers_work.WARM_UP, help="calls before the timed ones")
    parser.add_argument("--layout", choices=LAYOUTS, help="torchvision's memory layout; default: the faster one")
    parser.add_argument(
        "--clock",
        choices=peers_work.CLOCKS,
        default="wall",
        help="what is measured; processor time where other work runs on the same cores",
    )
    parser.add_argument("--out", type=Path, help="write all results to this JSON file, too")
    parser.add_argument("--torch-python", default=".venv-torch/bin/python", help="Python with torchvision")
    options = parser.parse_args(arguments)
    if min(options.pairs, options.runs, options.warm_up) < 1:
        parser.error("--pairs, --runs and --warm-up must be at least 1")
    return options


def default_precisions() -> tuple[str, ...]:
    """Lists the precisions, without bfloat16 where the CPU would emulate it."""
    return peers_work.PRECISIONS if precision.cpu_has_bfloat16() else peers_work.PRECISIONS[:1]


def alternate(count: int, *, ours: Callable[[], Result], theirs: Callable[[], Result]) -> Iterator[Pair]:
    """Runs the sides in turn, `count` times each, and yields each pair."""
    for _ in range(count):
        first = ours()
        yield Pair(first, theirs())


def faster_layout(run: Callable[[str], Result]) -> str:
    """Runs torchvision's side once with each memory layout and returns the faster one."""
    taken = {layout: run(layout)["seconds"] for layout in LAYOUTS}
    print("torchvision, trial:", ", ".join(f"{layout} {value:.2f} s" for layout, value in taken.items()), flush=True)
    return min(taken, key=taken.__getitem__)


def collect(row: Row, pairs: Iterator[Pair]) -> Row:
    """Prints each pair as it comes, and returns the row with all of them."""
    for pair in pairs:
        row = row._replace(pairs=[*row.pairs, pair])
        values = " / ".join(f"{result['seconds']:.3f} s {result['peak_gb']:.2f} GB" for result in pair)
        print(f"{row.case} {row.precision} {len(row.pairs)}: {values}", flush=True)
    return row


def table(rows: Sequence[Row], *, clock: str) -> str:
    """Formats a table: medians of both sides and of the pairs' ratios, each with its range.

    Args:
        rows: at least one pair each.
        clock: key of `peers_work.CLOCKS`.
    """
    unit = "s" if clock == "wall" else "processor s"
    lines = [
        f"| case | precision | ours, {unit} | torchvision, {unit} | layout | ratio | ours, GB | torchvision, GB "
        "| ratio | found |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cells = [row.case, row.precision, row.spread(lambda pair: pair.ours["seconds"])]
        cells += [row.spread(lambda pair: pair.theirs["seconds"]), row.layout, row.ratio("seconds")]
        cells += [f"{row.spread(lambda pair: pair.ours['peak_gb']).median:.2f}"]
        cells += [f"{row.spread(lambda pair: pair.theirs['peak_gb']).median:.2f}"]
        cells += [row.ratio("peak_gb"), " / ".join(str(result["found"]) for result in row.pairs[-1])]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def record(rows: Sequence[Row], *, clock: str) -> dict[str, Any]:
    """Builds the content of the JSON file: the machine, each pair, and the ratios."""
    return {
        "cpus": sorted(os.sched_getaffinity(0)),
        "clock": clock,
        "rows": [
            {
                **row._asdict(),
                "pairs": [pair._asdict() for pair in row.pairs],
                "ratio": row.ratio("seconds")._asdict(),
                "memory_ratio": row.ratio("peak_gb")._asdict(),
            }
            for row in rows
        ],
    }


def read_side(command: Sequence[str]) -> Result:
    """Runs a side and reads the JSON in the last line of its output.

    Raises:
        SystemExit: it failed; the message is its last line of errors.
    """
    return json.loads(run_side(command).strip().splitlines()[-1])


def run_side(command: Sequence[str]) -> str:
    """Runs a side's program and returns its output.

    Raises:
        SystemExit: it failed; the message is its last line of errors.
    """
    without_gpu = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=without_gpu)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["without a message"])[-1]
        raise SystemExit(f"{' '.join(map(str, command))} failed: {last}")
    return done.stdout


if __name__ == "__main__":
    main()
