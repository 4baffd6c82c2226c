"""One back end's process of `benchmarks.backends`: loads a model and times a whole prediction for each line it reads.

    KERAS_BACKEND=jax python -m benchmarks.backends_work MODEL HEIGHT WIDTH

It writes lines of JSON: first the seconds until the first two calls have ended, then the seconds of each call.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable

import numpy as np

from benchmarks import timing
from mrcnn.predict.predictor import Predictor

WARM_UP = 2  # calls before the timed ones: the first compiles


def main(model: str, height: str, width: str) -> None:
    """Answers the lines of standard input."""
    start = time.perf_counter()
    predictor = Predictor.load(model, device="cpu")
    image = scene(int(height), int(width))
    answer(lambda: len(predictor.predict([image])[0].scores), sys.stdin, start=start)


def answer(call: Callable[[], int], lines: Iterable[str], *, start: float) -> None:
    """Warms up, then times a call for each line.

    Args:
        call: returns the number of objects found.
        lines: each asks for one call.
        start: when the process started to load, by `time.perf_counter`.
    """
    found = [call() for _ in range(WARM_UP)]
    say({"ready": time.perf_counter() - start, "found": found[-1]})
    for _ in lines:
        [seconds] = timing.seconds(call, 1)
        say({"seconds": seconds, "peak_gb": timing.peak_gb()})


def scene(height: int, width: int) -> np.ndarray:
    """Draws squares of 32 random colours, `[height, width, 3]` uint8."""
    rng = np.random.default_rng(0)
    squares = rng.integers(0, 256, (-(-height // 32), -(-width // 32), 3), np.uint8)
    return squares.repeat(32, axis=0).repeat(32, axis=1)[:height, :width]


def say(record: dict[str, float]) -> None:
    """Writes a line at once."""
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
