"""Opens a SavedModel in TensorFlow; its metadata is in the labels.json beside it."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn import files
from mrcnn.errors import UserError
from mrcnn.predict.runtimes.opened import Opened, damaged

SIGNATURE = "serving_default"  # of pixels
LABELS = "labels.json"
SETTINGS = "settings"  # key of labels.json
TITLE = "SavedModel"
MOST_BYTES = 2**26  # largest size of a labels.json


def open_file(path: Path, *, threads: int | None = None) -> Opened:
    """Opens an exported SavedModel.

    Args:
        path: of its `saved_model.pb`.
        threads: number of threads that compute an image; None for TensorFlow's own choice.

    Raises:
        UserError: the files are damaged or were not written by this package, or TensorFlow already uses other threads.
    """
    properties = _properties(path.with_name(LABELS))
    _set_threads(threads)
    try:
        loaded = tf.saved_model.load(str(path.parent))
        outputs = tuple(loaded.signatures[SIGNATURE].structured_outputs)
    except Exception as error:  # TensorFlow's exceptions for damaged files have no other base class
        raise damaged(path.parent, error, title=TITLE) from error

    def run(image: np.ndarray, names: Sequence[str]) -> Mapping[str, np.ndarray]:
        # looked up at each call: a signature alone does not keep the weights of `loaded`
        found = fetched(loaded.signatures[SIGNATURE], image=tf.constant(image))
        return {name: found[name] for name in names}

    variables = sorted(path.parent.joinpath("variables").glob("*"))
    return Opened(run, outputs, properties, (path, *variables))


def fetched(function: Callable[..., Any], **given: Any) -> dict[str, np.ndarray]:
    """Calls a function of a SavedModel and fetches its outputs by name."""
    return {name: value.numpy() for name, value in function(**given).items()}


def _set_threads(threads: int | None) -> None:
    if threads is None or threads == tf.config.threading.get_intra_op_parallelism_threads():
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError as error:  # TensorFlow fixes its threads at the first computation
        raise UserError(f"{threads} threads must be chosen before TensorFlow is first used: {error}") from error


def _properties(path: Path) -> dict[str, str]:
    """Reads the metadata of an export from its labels.json."""
    if not path.is_file():
        raise UserError(f"{path.parent} has no {LABELS}, so it is no SavedModel of `mrcnn export`; export the model")
    try:
        content = json.loads(files.read_bytes(path, what=LABELS, most=MOST_BYTES))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as JSON: {error}; export the model again") from error
    if not isinstance(content, dict) or SETTINGS not in content:
        raise UserError(f"{path} has no `{SETTINGS}`, as older versions wrote it; export the model again")
    return {"settings": json.dumps(content.pop(SETTINGS)), "labels": json.dumps(content)}
