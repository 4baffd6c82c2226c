"""Runs fuzz tries: each builds a damaged input from a random generator and feeds it to a reader.

A try may end well or with `UserError`, the one line that a bad input deserves. Anything else is a failure: another
exception, more time, or more memory than the limits.
"""

import itertools
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mrcnn.errors import UserError

Target = Callable[[np.random.Generator], object]

SECONDS = 20.0  # of one try, on a busy machine; the inputs are small
MEMORY_MB = 1500  # growth of the process's peak during one try
CLEAR_PEAK = Path("/proc/self/clear_refs")


class TooLong(Exception):
    """A try took more than its time."""


class TooLarge(Exception):
    """A try took more than its memory."""


@dataclass
class Tally:
    """What the tries of one target came to.

    Attributes:
        tries: how many were made.
        refused: how many ended with `UserError`.
        failures: of the failed ones, the number of the try and the error with its last frames.
        slowest: seconds of the longest try.
    """

    tries: int = 0
    refused: int = 0
    failures: list[tuple[int, str]] = field(default_factory=list)
    slowest: float = 0.0


def run_try(target: Target, *, seed: int, name: str, number: int, tally: Tally) -> None:
    """Makes one try; the same seed, name and number build the same input again."""
    rng = np.random.default_rng([seed, *name.encode(), number])
    before, start = _peak_mb(reset=True), time.monotonic()
    tally.tries += 1
    try:
        with _limited(SECONDS):
            target(rng)
        if _peak_mb() - before > MEMORY_MB:
            raise TooLarge(f"{_peak_mb() - before:.0f} MB")
    except UserError as error:
        if "\n" in str(error) or len(str(error)) > 500:
            tally.failures.append((number, f"a message of {len(str(error))} characters: {error}"))
        tally.refused += 1
    except Exception as error:  # the point of the harness is to see every kind
        tally.failures.append((number, _short(error)))
    tally.slowest = max(tally.slowest, time.monotonic() - start)


def run(targets: Mapping[str, Target], *, seed: int, seconds: float, tries: int | None = None) -> dict[str, Tally]:
    """Makes tries of all targets in turn until the time is over.

    Args:
        targets: by name.
        seed: of all inputs.
        seconds: after which no new try begins.
        tries: of each target, at most; None for no limit.
    """
    tallies = {name: Tally() for name in targets}
    end = time.monotonic() + seconds
    for number in itertools.count() if tries is None else range(tries):
        for name, target in targets.items():
            run_try(target, seed=seed, name=name, number=number, tally=tallies[name])
        if time.monotonic() >= end:
            break
    return tallies


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def end(*_: object) -> None:
        raise TooLong(f"more than {seconds:g} s")

    former = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def _peak_mb(*, reset: bool = False) -> float:
    """Returns the process's peak resident memory, on Linux since the last reset."""
    if CLEAR_PEAK.exists():
        if reset:
            CLEAR_PEAK.write_text("5")
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _short(error: Exception) -> str:
    frames = [
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-4:]
    ]
    return f"{type(error).__name__}: {str(error)[:300]} ({' > '.join(frames)})"
