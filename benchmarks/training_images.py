"""Measures what it costs to prepare training images: reading, decoding, resizing, augmentation and masks.

    python -m benchmarks.training_images CONFIG PROJECT [--batches 50]

The processor time of all threads is counted, so other programs hardly change it. `benchmarks.input_wait` measures how
long a training waits for its images.
"""

import argparse
import time
from pathlib import Path

import mrcnn


def main() -> None:
    """Prepares batches and prints the processor time per image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="path of a train config, or the name of a preset")
    parser.add_argument("project", type=Path)
    parser.add_argument("--batches", type=int, default=50, help="at least 20, since some are prepared ahead")
    options = parser.parse_args()
    images, seconds = measure(options.config, options.project, batches=options.batches)
    print(f"{images} training images: {seconds / images:.4f} s of processor time per image")


def measure(config: str, project: Path, *, batches: int) -> tuple[int, float]:
    """Prepares the first batches of a training; the first one, which starts the threads, is not measured.

    Args:
        config: path of a train config, or the name of a preset.
        project: a Supervisely project.
        batches: number of batches to measure.

    Returns:
        The number of images, and the processor time in seconds.
    """
    stream = iter(mrcnn.open_data(project, config=config).train)
    next(stream)
    images, begin = 0, time.process_time()
    for _ in range(batches):
        images += len(next(stream)["images"])
    return images, time.process_time() - begin


if __name__ == "__main__":
    main()
