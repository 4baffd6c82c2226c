"""Feeds damaged files to every reader of the project and counts what is not answered by one clear line.

python -m tests.fuzz --minutes 10 [--seed 0] [--targets annotation,meta]
python -m tests.fuzz --targets annotation --seed 0 --number 17      one try again, with its traceback
"""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from mrcnn import decoder_notes
from tests.fuzz import harness
from tests.fuzz.targets import TARGETS


def parse(given: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", help=f"of {', '.join(TARGETS)}; default all")
    parser.add_argument("--number", type=int, help="make this try alone, without catching its error")
    options = parser.parse_args(given)
    chosen = options.targets.split(",") if options.targets else list(TARGETS)
    if unknown := set(chosen) - TARGETS.keys():
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    options.targets = {name: TARGETS[name] for name in chosen}
    return options


def main(options: argparse.Namespace) -> int:
    """Runs the tries and prints a line per target and per failure; returns 1 when there is a failure."""
    if options.number is not None:
        for name, target in options.targets.items():
            target(np.random.default_rng([options.seed, *name.encode(), options.number]))
        return 0
    with decoder_notes.hidden():
        tallies = harness.run(options.targets, seed=options.seed, seconds=60 * options.minutes)
    for name, tally in tallies.items():
        print(
            f"{name}: {tally.tries} tries, {tally.refused} refused in one line, {len(tally.failures)} failures, "
            f"slowest {tally.slowest:.2f} s"
        )
        for number, error in tally.failures[:20]:
            print(f"  --targets {name} --seed {options.seed} --number {number}: {error}")
    print(f"{sum(tally.tries for tally in tallies.values())} tries, seed {options.seed}")
    return int(any(tally.failures for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main(parse()))
