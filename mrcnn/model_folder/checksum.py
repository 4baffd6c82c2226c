"""Checksums of a stored model, by which an exported file is recognized as one of this model."""

import hashlib
import json
from pathlib import Path

from mrcnn.model_folder.read import StoredModel

RUN_TIME = "score_threshold"  # the only setting of an exported file that a run may change


def of_model(stored: StoredModel) -> dict[str, str]:
    """Computes the checksums of all that decides what a model detects.

    Returns:
        SHA-256 in hexadecimal digits by name: `weights`, of the bytes of the weight file; `settings`, of the classes,
        the input size, and the settings of the architecture without the score threshold.

    Raises:
        OSError: the weight file cannot be read.
    """
    size = stored.input_size
    settings = {
        "class_names": stored.class_names,
        "input_size": (size.min_dim, size.max_dim, size.settled_shape),
        "model": stored.config.model_dump(mode="json", exclude={RUN_TIME}),
    }
    text = json.dumps(settings, sort_keys=True, ensure_ascii=False)
    return {"weights": _of_file(stored.weights), "settings": hashlib.sha256(text.encode()).hexdigest()}


def _of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
