"""Opens a Keras file with Keras, and adds what the file lacks: resizing an image, and masks of its size.

A Keras file is a ZIP archive with a config and weights, to which the export adds its metadata.
"""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.errors import UserError
from mrcnn.model_folder import keras_archive
from mrcnn.ops.backend.current import native
from mrcnn.predict import exported_rules, exported_settings, outputs
from mrcnn.predict.exported_settings import LABELS, SETTINGS
from mrcnn.predict.image_function import cropped_function
from mrcnn.predict.live import run_graph
from mrcnn.predict.runtimes.opened import CROPPED_MASKS, Opened, damaged
from mrcnn.structures import Tensor

TITLE = "Keras file"
FOLDER = "mrcnn/"  # begin of the names of the metadata in the archive
FIXED = ("boxes", "class_ids", "scores", "masks", outputs.PROBABILITIES)


def open_file(path: Path, *, threads: int | None = None) -> Opened:
    """Opens an exported Keras file.

    Args:
        path: of the `.keras` file.
        threads: must be None: Keras' back end chooses its threads.

    Raises:
        UserError: the file is damaged or was not written by this package, or `threads` is given.
    """
    if threads is not None:
        raise UserError(f"{path}: the back end of Keras chooses its threads, got `threads` {threads}; leave it out")
    properties = read_metadata(path)
    try:
        known = exported_settings.read(properties)
        rules = exported_rules.read(known)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    try:
        model = keras_archive.read_model(path)
    except keras_archive.Damaged as error:
        raise damaged(path, error, title=TITLE) from error
    choices = known.facts.choices

    def detect(images: Tensor, windows: Tensor) -> dict[str, Tensor]:
        return outputs.named(model({"images": images, "windows": windows}, choices=choices))

    inputs = [((None, None, None, rules.channels), "float32"), ((None, 4), "float32")]
    graph = native.compiled(detect, inputs, weights=lambda: model.variables)

    def network(images: np.ndarray, windows: np.ndarray) -> Mapping[str, np.ndarray]:
        found: Mapping[str, np.ndarray] = run_graph(
            graph, images, windows, smaller="a model with a smaller `input_size`"
        )
        return found

    find = cropped_function(network, rules)

    def run(image: np.ndarray, names: Sequence[str]) -> Mapping[str, Any]:
        found = find(image)
        return {name: found[name] for name in names}

    extras = tuple(known.field_settings)
    return Opened(run, (*FIXED, *extras, *rules.maps), properties, (path,), mask_bits=CROPPED_MASKS)


def read_metadata(path: Path) -> dict[str, str]:
    """Reads the texts that the export added, by name; without one where the file has none.

    Raises:
        UserError: the file is no archive, or a text is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            present = set(archive.namelist())
            names = [name for name in (SETTINGS, LABELS) if FOLDER + name in present]
            return {name: keras_archive.read_text(archive, FOLDER + name) for name in names}
    except keras_archive.UNREADABLE as error:
        raise damaged(path, error, title=TITLE) from error
