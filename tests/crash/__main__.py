"""Kills training and inference with SIGKILL at each file operation and at random, and checks that no work is lost.

python -m tests.crash --minutes 10 [--seed 0] [--jobs training,inference]
"""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # children are forked, which a GPU does not survive

from tests.crash.harness import Harness
from tests.crash.jobs import JOBS


def parse(given: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="for all jobs together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", default=",".join(JOBS), help=f"of {', '.join(JOBS)}; default all")
    options = parser.parse_args(given)
    options.jobs = options.jobs.split(",")
    if unknown := set(options.jobs) - JOBS.keys():
        parser.error(f"no such job: {', '.join(sorted(unknown))}; there are {', '.join(JOBS)}")
    return options


def main(options: argparse.Namespace) -> int:
    """Makes the tries and prints a line per job and per failure; returns 1 when there is a failure."""
    failures = 0
    for name in options.jobs:
        with tempfile.TemporaryDirectory() as folder:
            tally, operations, times = _run(
                name, Path(folder), seconds=60 * options.minutes / len(options.jobs), seed=options.seed
            )
        failures += len(tally.failures)
        print(
            f"{name}: {tally.tries} tries, killed at {operations} of {tally.operations} file operations and {times} "
            f"times at random, {len(tally.failures)} failures",
            flush=True,
        )
        for line in tally.failures[:20]:
            print(f"  {line}", flush=True)
    print(f"seed {options.seed}")
    return int(failures > 0)


def _run(name: str, folder: Path, *, seconds: float, seed: int):
    """Kills at every operation, in random order, with a kill at a random time after every fourth; then at random."""
    rng = random.Random(f"{seed} {name}")
    end = time.monotonic() + seconds
    harness = Harness(JOBS[name](folder), folder)
    left = rng.sample(range(harness.tally.operations), harness.tally.operations)
    operations = times = 0
    while time.monotonic() < end or harness.tally.tries < 1:
        if left and harness.tally.tries % 5 != 4:
            harness.try_operation(left.pop(), rng)
            operations += 1
        else:
            harness.try_time(rng)
            times += 1
    return harness.tally, operations, times


if __name__ == "__main__":
    sys.exit(main(parse()))
