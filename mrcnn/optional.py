"""Optional dependencies: packages that only some features need, by the name of the extra that installs them.

`pip install mrcnn` brings what training, inference and export need; `requirements.txt` brings everything.
"""

import importlib
import importlib.util
from types import ModuleType

from mrcnn.errors import UserError

EXTRAS = {  # extra: the import names of its packages
    "draw": ("supervision", "matplotlib"),
    "plots": ("matplotlib",),
    "serve": ("fastapi", "uvicorn", "multipart", "prometheus_client"),
    "tensorboard": ("tensorboard",),
}


def missing(extra: str) -> list[str]:
    """Lists the packages of an extra that are not installed."""
    return [name for name in EXTRAS[extra] if importlib.util.find_spec(name) is None]


def hint(extra: str) -> str:
    """Writes the command that installs an extra."""
    return f"python -m pip install 'mrcnn[{extra}]'"


def require(extra: str, *, purpose: str) -> None:
    """Checks that an extra is installed.

    Raises:
        UserError: it is not; `purpose` is what needs it.
    """
    absent = missing(extra)
    if absent:
        raise UserError(f"{purpose} needs the package {', '.join(absent)}; install it by {hint(extra)}")


def load(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Imports a module of this project that needs an extra.

    Raises:
        UserError: as `require`.
    """
    require(extra, purpose=purpose)
    return importlib.import_module(module)
