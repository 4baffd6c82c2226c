"""Opens a LiteRT file on the CPU, and adds what the file lacks: resizing an image, and masks of its size.

The file holds the network alone, for one size of the model input; behind it is a ZIP archive with the metadata, as
TensorFlow Lite's own tools append files to a model.
"""

import threading
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn import optional
from mrcnn.errors import UserError
from mrcnn.predict import exported_rules, exported_settings, outputs
from mrcnn.predict.image_function import NetworkFunction, cropped_function
from mrcnn.predict.runtimes.opened import CROPPED_MASKS, Opened, damaged

IMAGES, WINDOWS = "images", "windows"  # the inputs
VALID = "valid"  # the output that is used up here
TITLE = "LiteRT file"
MOST_BYTES = 2**26  # of a text of the metadata
# what `zipfile` raises for a damaged archive; a changed bit may ask for a password or another compression
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError)


def open_file(path: Path, *, threads: int | None = None) -> Opened:
    """Opens an exported LiteRT file.

    Args:
        path: of the `.tflite` file.
        threads: number of threads that compute an image; None for one.

    Raises:
        UserError: LiteRT is not installed, or the file is damaged or was not written by this package.
    """
    runtime = optional.load("ai_edge_litert.interpreter", extra="litert-run", purpose="inference with a LiteRT file")
    properties = _read(path)
    try:
        rules = exported_rules.read(exported_settings.read(properties))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    try:
        interpreter = runtime.Interpreter(model_path=str(path), num_threads=threads)
        interpreter.allocate_tensors()
        runner = interpreter.get_signature_runner()
        names = list(runner.get_output_details())
    except (OSError, ValueError, RuntimeError) as error:
        raise damaged(path, error, title=TITLE) from error
    find = cropped_function(_one_at_a_time(runner), rules)

    def run(image: np.ndarray, names: Sequence[str]) -> Mapping[str, Any]:
        found = find(image)
        return {name: found[name] for name in names}

    all_outputs = (*(name for name in names if name != VALID), outputs.PROBABILITIES)
    return Opened(run, all_outputs, properties, (path,), mask_bits=CROPPED_MASKS)


def read_metadata(path: Path) -> dict[str, str]:
    """Reads the texts of the metadata behind a file by name; empty without any, or where they are damaged.

    Raises:
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                sizes = {item.filename: item.file_size for item in archive.infolist()}
                return {name: archive.read(name).decode() for name, size in sizes.items() if size <= MOST_BYTES}
        except UNREADABLE:
            return {}


def _read(path: Path) -> dict[str, str]:
    try:
        return read_metadata(path)
    except OSError as error:
        raise damaged(path, error, title=TITLE) from error


def _one_at_a_time(runner: Any) -> NetworkFunction:
    """Calls the network from one thread at a time: an interpreter has one set of tensors."""
    lock = threading.Lock()

    def network(images: np.ndarray, windows: np.ndarray) -> Mapping[str, np.ndarray]:
        with lock:
            found = runner(**{IMAGES: images, WINDOWS: windows})
            return {name: np.array(value) for name, value in found.items()}  # its memory is that of the next call

    return network
