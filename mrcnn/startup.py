"""Imports modules that need TensorFlow, and hides its startup messages.

TensorFlow's libraries write messages on CPUs and drivers to file descriptor 2, some before any of their log settings
takes effect. During the import the descriptor is therefore redirected to a file. If the import fails, the file's
content is written to the original descriptor.
"""

import contextlib
import faulthandler
import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from types import ModuleType

from mrcnn.errors import UserError

STDERR = 2  # the file descriptor
BACK_END, TENSORFLOW, OTHERS = "KERAS_BACKEND", "tensorflow", ("jax", "torch")
FILES = "mrcnn.ops.backend."  # begin of the modules of back ends
# packages that do not run on another back end of Keras
ON_TENSORFLOW = {"export": "export", "serve": "the service"}
LEVEL_VARIABLE, ERRORS = "TF_CPP_MIN_LOG_LEVEL", "2"  # after the import TensorFlow shows errors only
MOST_SHOWN = 64 * 1024  # bytes of the hidden text that are shown after an error


def load(module: str, *, debug: bool = False) -> ModuleType:
    """Imports a module by its name without TensorFlow's startup messages.

    Commands call it after they have parsed their options, so `--help` and wrong options import no TensorFlow.

    Args:
        module: name of the module, e.g. `mrcnn.train.run`.
        debug: True shows the startup messages.

    Raises:
        UserError: the module needs TensorFlow, which is not installed or not the back end of Keras.
    """
    _check_back_end(module, _named(), f"{BACK_END} is {_named()}: unset it")
    os.environ.setdefault(LEVEL_VARIABLE, ERRORS)
    with contextlib.nullcontext() if debug else quiet():
        found = _imported(module)
        tensorflow = sys.modules.get("tensorflow")
        if tensorflow is not None:
            tensorflow.config.list_physical_devices("GPU")  # searches for drivers now, while its messages are hidden
            _transpose_integers(tensorflow)
    keras = sys.modules.get("keras")
    if keras is not None:
        name = keras.config.backend()
        _check_back_end(module, name, f"{_config_file()} names {name}: set {BACK_END} to {TENSORFLOW}")
    return found


def _check_back_end(module: str, name: str, why: str) -> None:
    """Checks that a module which needs TensorFlow gets it.

    Args:
        module: its name.
        name: the back end.
        why: which setting chose the back end, and how to change it; part of the message.

    Raises:
        UserError: the module needs TensorFlow, and the back end is another.
    """
    package = f"{module}.".split(".")[1]
    if package in ON_TENSORFLOW and name != TENSORFLOW:
        raise UserError(f"{ON_TENSORFLOW[package]} needs TensorFlow, but {why}, or use an environment with TensorFlow")


def _named() -> str:
    return os.environ.get(BACK_END) or TENSORFLOW  # Keras ignores an empty variable too


def _config_file() -> str:
    return f"Keras's config file ({os.environ.get('KERAS_HOME', '~/.keras')}/keras.json)"


def _imported(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing, name = error.name or "", os.environ.get(BACK_END)
        of_variable = name and name != TENSORFLOW and (missing in OTHERS or missing.startswith(FILES))
        of_file = not name and (missing.startswith(FILES) or (missing in OTHERS and _is_imported_by_keras(error)))
        if of_variable or of_file:
            why = f"{BACK_END} is {name}" if name else f"{_config_file()} names {missing.removeprefix(FILES)}"
            fix = "unset it for TensorFlow, or set it" if name else f"set {BACK_END} to {TENSORFLOW}, or"
            others = " or ".join(OTHERS)
            raise UserError(
                f"{why}, which is not installed or not supported: {fix} to {others} where that is installed"
            ) from error
        if missing != TENSORFLOW:
            raise
        raise UserError(
            f"{module} needs TensorFlow, which is not installed: install it, or, for training and inference, set "
            f"{BACK_END} to jax or torch, whichever is installed"
        ) from error


def _is_imported_by_keras(error: BaseException) -> bool:
    """Checks whether an import failed in Keras, which imports its back end."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(str(frame.f_globals.get("__name__")).startswith("keras.") for frame, _ in frames)


def _transpose_integers(tensorflow: ModuleType) -> None:
    """Transposes integers once, so that oneDNN's message about missing integer kernels is hidden here.

    oneDNN writes it once in a process, on a CPU without AVX-512, as an error. The session has no GPU, because using one
    would fix the list of visible devices before the run chooses them.
    """
    v1 = tensorflow.compat.v1
    with tensorflow.Graph().as_default(), v1.Session(config=v1.ConfigProto(device_count={"GPU": 0})) as session:
        given = v1.placeholder(tensorflow.int32, (1, 2))
        session.run(tensorflow.transpose(given), {given: [[1, 2]]})


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides writes to file descriptor 2 inside the block, and shows them after an exception.

    If a signal ends the process, for example because the CPU lacks an instruction, the Python stack is written.
    """
    try:
        shown = os.dup(STDERR)
    except OSError:  # stderr is closed: there is nothing to hide
        yield
        return
    was_enabled = faulthandler.is_enabled()
    with tempfile.TemporaryFile() as hidden:
        sys.stderr.flush()
        os.dup2(hidden.fileno(), STDERR)
        if not was_enabled:
            faulthandler.enable(file=shown)
        try:
            yield
        except Exception:
            hidden.seek(0)
            os.write(shown, hidden.read(MOST_SHOWN))
            raise
        finally:
            if not was_enabled:
                faulthandler.disable()
            sys.stderr.flush()
            os.dup2(shown, STDERR)
            os.close(shown)
