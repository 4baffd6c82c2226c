"""Kills training and inference with SIGKILL at each file operation and at random, and checks that no work is lost.

Also kills the parent of a service under requests, and checks that its workers end and that it can start again.

python -m tests.crash --minutes 10 [--seed 0] [--jobs training,inference,service]
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
from tests.crash.service import try_service

SERVICE = "service"


def parse(given: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="for all jobs together")
    parser.add_argument("--seed", type=int, default=0)
    known = [*JOBS, SERVICE]
    parser.add_argument("--jobs", default=",".join(known), help=f"of {', '.join(known)}; default all")
    options = parser.parse_args(given)
    options.jobs = options.jobs.split(",")
    if unknown := {*options.jobs} - {*known}:
        parser.error(f"no such job: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return options


def main(options: argparse.Namespace) -> int:
    """Makes the tries and prints a line per job and per failure; returns 1 when there is a failure."""
    failed = False
    seconds = 60 * options.minutes / len(options.jobs)
    for name in options.jobs:
        with tempfile.TemporaryDirectory() as folder:
            run = _run_service if name == SERVICE else _run
            text, failures = run(name, Path(folder), seconds=seconds, seed=options.seed)
        print(f"{name}: {text}, {len(failures)} failures", flush=True)
        for line in failures[:20]:
            print(f"  {line}", flush=True)
        failed |= bool(failures)
    print(f"seed {options.seed}")
    return int(failed)


def _run(name: str, folder: Path, *, seconds: float, seed: int) -> tuple[str, list[str]]:
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
    tally = harness.tally
    text = f"{tally.tries} tries, killed at {operations} of {tally.operations} file operations, {times} times at random"
    return text, tally.failures


def _run_service(name: str, folder: Path, *, seconds: float, seed: int) -> tuple[str, list[str]]:
    rng = random.Random(f"{seed} {name}")
    end = time.monotonic() + seconds
    tries, failures = 0, []
    while time.monotonic() < end or not tries:
        tries += 1
        after = rng.uniform(0, 2)
        try:
            try_service(folder, workers=rng.choice((1, 2)), kill_after=after)
        except Exception as error:
            failures.append(f"killed after {after:.2f} s: {type(error).__name__}: {error}")
    return f"{tries} tries", failures


if __name__ == "__main__":
    sys.exit(main(parse()))
