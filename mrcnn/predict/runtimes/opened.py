"""The record of an opened exported file, which every runtime returns."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mrcnn.errors import UserError, one_line

Run = Callable[[np.ndarray, Sequence[str]], Mapping[str, Any]]
WHOLE_MASKS = 16  # bits: masks of the image's size, a byte for each pixel, once in the runtime and once outside
CROPPED_MASKS = 1  # bits: masks cropped to their boxes and packed one by one
MOST_REASON = 200  # characters kept of the text of a runtime's error


class Opened(NamedTuple):
    """An exported file that a runtime has opened.

    Attributes:
        run: `run(image, names)` computes the outputs `names` of an image `[H, W, channels]` uint8, by name: arrays, but
            `masks` may be a tuple of `CroppedMask`. Threads may call it at the same time.
        outputs: names of all outputs, at least those of `exported.FIXED`.
        properties: the file's metadata, JSON texts by name: `settings` and `labels`, see `exported_settings`.
        files: the files with the graph and the weights, whose bytes identify the model.
        mask_bits: memory of a mask at the peak, in bits for each pixel of the image.
    """

    run: Run
    outputs: tuple[str, ...]
    properties: Mapping[str, str]
    files: tuple[Path, ...]
    mask_bits: int = WHOLE_MASKS


def damaged(path: Path, error: Exception, *, title: str) -> UserError:
    """Makes the error of a file that a runtime cannot open.

    Args:
        path: the file.
        error: the runtime's exception, of which one line is kept.
        title: of the file's kind, such as "ONNX file".
    """
    article = "an" if title[0] in "AEIOU" else "a"
    return UserError(
        f"{path} cannot be opened as {article} {title}, export it again: {one_line(str(error), most=MOST_REASON)}"
    )
