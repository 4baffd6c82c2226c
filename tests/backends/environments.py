"""The environments of JAX and PyTorch, which `make test-backends` makes and names, and calls of modules in them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = {
    "tensorflow": sys.executable,
    "jax": os.environ.get("MRCNN_JAX_PYTHON"),
    "torch": os.environ.get("MRCNN_BACKEND_TORCH_PYTHON"),
}


def named(backend):
    """Makes a parameter of a test, which is skipped where the back end has no environment."""
    missing = not PYTHONS[backend]
    reason = f"no environment of {backend} is named: run make test-backends"
    return pytest.param(backend, marks=pytest.mark.skipif(missing, reason=reason))


BACKENDS = [named("jax"), named("torch")]


def run(backend, module, *arguments):
    """Runs a module of this package in a back end's environment, and returns what it printed.

    Raises:
        AssertionError: it failed; the message is its standard error.
    """
    done = subprocess.run(
        [PYTHONS[backend], "-m", f"tests.backends.{module}", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout
