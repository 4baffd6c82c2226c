"""One back end's process of `benchmarks.backends`: loads a model and times a call for each line it reads.

    KERAS_BACKEND=jax python -m benchmarks.backends_work MODEL HEIGHT WIDTH prediction wall
    KERAS_BACKEND=jax python -m benchmarks.backends_work MODEL HEIGHT WIDTH step processor

It writes lines of JSON: first the seconds until the first two calls have ended, then the seconds of each call.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from benchmarks import timing
from benchmarks.peers_work import CLASSES, CLOCKS
from mrcnn.models.keras_internals import skip_symbolic_build
from mrcnn.predict.predictor import Predictor
from mrcnn.structures import Batch
from mrcnn.train.engine.current import engine
from mrcnn.train.optimizer import build_optimizer

WARM_UP = 2  # calls before the timed ones: the first compiles
OBJECTS = 8  # of the training image
LEARNING_RATE = 1e-4  # so small that random weights do not diverge


def main(arguments: Sequence[str]) -> None:
    """Answers the lines of standard input."""
    start = time.perf_counter()
    model, height, width, what, clock = arguments
    predictor = Predictor.load(model, device="cpu")
    image = scene(int(height), int(width))
    call = {"prediction": prediction, "step": step}[what](predictor, image)
    answer(call, sys.stdin, start=start, clock=CLOCKS[clock])


def prediction(predictor: Predictor, image: np.ndarray) -> Callable[[], float]:
    """Makes a call that detects the objects of an image, and returns their number."""
    return lambda: len(predictor.predict([image])[0].scores)


def step(predictor: Predictor, image: np.ndarray) -> Callable[[], float]:
    """Makes a call that trains a step by Keras' `fit`, always on the same batch, and returns the loss."""
    model = predictor.bundle.model
    model.compile(optimizer=build_optimizer(LEARNING_RATE))
    skip_symbolic_build(model)
    [prepared] = predictor.prepare([image])
    data = engine.repeated(training_batch(prepared.images, prepared.windows))
    return lambda: float(model.fit(data, steps_per_epoch=1, epochs=1, verbose=0).history["loss"][0])


def training_batch(images: np.ndarray, windows: np.ndarray) -> dict[str, np.ndarray]:
    """Adds random objects to an image.

    Args:
        images: `[1, H, W, 3]` of the model input.
        windows: `[1, 4]`, yxyx pixels.

    Returns:
        The fields of `Batch` by name, with `OBJECTS` objects inside the window.
    """
    rng = np.random.default_rng(1)
    corners = np.sort(rng.uniform(0.1, 0.9, (1, OBJECTS, 2, 2)), axis=2) + np.float64([[0.0], [0.1]])
    sides = (windows[:, 2:] - windows[:, :2])[:, None, None]
    boxes = (windows[:, None, None, :2] + corners * sides).reshape(1, OBJECTS, 4)
    every = np.ones((1, OBJECTS), bool)
    fields = Batch(
        images=images,
        windows=windows,
        gt_boxes=boxes.astype(np.float32),
        gt_class_ids=rng.integers(1, CLASSES, (1, OBJECTS)).astype(np.int32),
        gt_masks=rng.integers(0, 256, (1, OBJECTS, 56, 56)).astype(np.uint8),
        gt_valid=every,
        gt_ignore=~every,
        neutral=np.zeros(images.shape[:3], bool),
        image_ids=np.int32([0]),
        seeds=np.int32([7]),
    )
    return fields._asdict()


def answer(
    call: Callable[[], float],
    lines: Iterable[str],
    *,
    start: float,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Warms up, then times a call for each line.

    Args:
        call: returns the number of objects found, or the loss.
        lines: each asks for one call.
        start: when the process started to load, by `time.perf_counter`.
        clock: measures the calls.
    """
    found = [call() for _ in range(WARM_UP)]
    say({"ready": time.perf_counter() - start, "found": found[-1]})
    for _ in lines:
        [seconds] = timing.seconds(call, 1, clock=clock)
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
    main(sys.argv[1:])
