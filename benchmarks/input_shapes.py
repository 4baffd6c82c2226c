"""Counts the pixels of a data set's model inputs: squares, rectangles, and rectangles of at most 8 shapes.

    python -m benchmarks.input_shapes instances_val2017.json --min-dim 800 --max-dim 1344

Only the images' sizes in a COCO file are read, no image.
"""

import argparse
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mrcnn.data import resize, shapes


def table(sizes: Sequence[tuple[int, int]], *, min_dim: int, max_dim: int) -> str:
    """Formats the pixels of the model inputs, and the shapes that a training run chooses.

    Args:
        sizes: height and width of each image, at least one.
        min_dim: `input_size.min_dim`.
        max_dim: `input_size.max_dim`.
    """
    needs = [resize.resize_plan(*size, min_dim=min_dim, max_dim=max_dim, shape="rectangle").input_hw for size in sizes]
    chosen = shapes.choose(needs)
    used = [shapes.holding(chosen, [need]) for need in needs]
    square = max_dim**2 * len(sizes)
    rows = [
        ("squares", 1.0),
        *(
            (name, sum(map(math.prod, found)) / square)
            for name, found in (
                ("rectangles, inference", needs),
                (f"rectangles, training ({len(chosen)} shapes)", used),
            )
        ),
    ]
    counts = Counter(used)
    return "\n".join(
        [
            f"{len(sizes)} images, min_dim {min_dim}, max_dim {max_dim}",
            *(f"{name:<34}{share:>6.3f} of the pixels of squares" for name, share in rows),
            *(f"  {height:>5} x {width:<5}{counts[height, width]:>6} images" for height, width in chosen),
        ]
    )


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("coco", type=Path, help="a COCO file with the images' sizes")
    parser.add_argument("--min-dim", type=int, default=800)
    parser.add_argument("--max-dim", type=int, default=1344)
    options = parser.parse_args()
    images = json.loads(options.coco.read_text())["images"]
    sizes = [(image["height"], image["width"]) for image in images]
    print(table(sizes, min_dim=options.min_dim, max_dim=options.max_dim))


if __name__ == "__main__":
    main()
