"""Checks and imports optional dependencies, grouped by the extra that installs them.

`pip install mrcnn` installs what training, inference and export need; `requirements.txt` installs all extras but the
large ones, which `requirements-extras.txt` pins, and the other back ends of Keras, which have files of their own.
"""

import contextlib
import importlib
import importlib.util
from importlib import metadata
from types import ModuleType

from mrcnn.errors import UserError

EXTRAS = {  # extra: the import names of its packages
    "completion": ("shtab",),
    "draw": ("supervision", "matplotlib"),
    "energy": ("codecarbon",),
    "jax": ("jax",),
    "litert": ("ai_edge_litert", "ai_edge_quantizer"),
    "litert-run": ("ai_edge_litert",),
    "mlflow": ("mlflow", "sqlalchemy", "alembic"),
    "onnx": ("tf2onnx", "onnx", "onnxruntime"),
    "onnx-run": ("onnxruntime",),
    "openvino": ("openvino", "nncf"),
    "openvino-run": ("openvino",),
    "plots": ("matplotlib",),
    "ray": ("ray", "pyarrow", "fsspec", "pandas"),
    "scale": ("pyarrow", "fsspec"),
    "serve": ("fastapi", "uvicorn", "multipart", "prometheus_client"),
    "spark": ("pyspark", "pyarrow", "fsspec"),
    "tensorboard": ("tensorboard",),
    "torch": ("torch", "torchvision"),
    "wandb": ("wandb",),
}


def missing(extra: str) -> list[str]:
    """Lists the packages of an extra that are not installed."""
    return [name for name in EXTRAS[extra] if importlib.util.find_spec(name) is None]


def versions(extra: str) -> dict[str, str]:
    """Reads the versions of the packages of an extra by import name.

    Left out is what is not installed, or was installed under another name, as ONNX Runtime is by `onnxruntime-gpu`.
    """
    found = {}
    for name in EXTRAS[extra]:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def hint(extra: str) -> str:
    """Returns the command that installs an extra."""
    return f"python -m pip install 'mrcnn[{extra}]'"


def require(extra: str, *, purpose: str) -> None:
    """Checks that the packages of an extra are installed.

    Args:
        extra: a key of `EXTRAS`.
        purpose: the feature that needs it, as the subject of the error message.

    Raises:
        UserError: a package is missing; the message holds the command that installs it.
    """
    absent = missing(extra)
    if absent:
        raise UserError(f"{purpose} needs the package {', '.join(absent)}; install it by {hint(extra)}")


def load(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Imports a module of this project that needs an extra.

    Raises:
        UserError: a package of the extra is missing; see `require`.
    """
    require(extra, purpose=purpose)
    return importlib.import_module(module)
