"""Mask R-CNN for Keras 3: the main functions and classes for Python. See README.md and docs/architecture.md.

The names below are loaded when they are first used, so that importing one light module does not start TensorFlow.
"""

import importlib
import os
import platform
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "DataPaths": "mrcnn.data.sources.source",
    "build": "mrcnn.api",
    "open_data": "mrcnn.api",
    "load_train_config": "mrcnn.config.load",
    "ExportedPredictor": "mrcnn.predict.exported",
    "OnnxPredictor": "mrcnn.predict.onnx_predictor",
    "Predictor": "mrcnn.predict.predictor",
}
__all__ = list(_PLACES)

if platform.machine() in ("x86_64", "AMD64"):
    # TensorFlow reads this when imported; on Linux its default is off for CPUs without VNNI, AVX512_BF16 or AMX
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def __getattr__(name: str) -> Any:
    """Imports one of the names of `__all__` when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module 'mrcnn' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
