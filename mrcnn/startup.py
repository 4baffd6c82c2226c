"""Imports what brings TensorFlow, without the lines that it writes while it starts.

TensorFlow's libraries write notes on CPUs and drivers to file descriptor 2, some before any setting of theirs counts.
So the descriptor itself leads into a file meanwhile. What was written is shown where the import fails.
"""

import contextlib
import faulthandler
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from types import ModuleType

STDERR = 2  # the file descriptor
LEVEL_VARIABLE, ERRORS = "TF_CPP_MIN_LOG_LEVEL", "2"  # of what comes later, only errors are shown
MOST_SHOWN = 64 * 1024  # bytes of what was written


def load(module: str, *, debug: bool = False) -> ModuleType:
    """Imports a module by its name.

    Scripts call it when their command line is read: an option that does not exist, or `--help`, need no TensorFlow.

    Args:
        module: e.g. `mrcnn.train.run`.
        debug: leave TensorFlow its say.
    """
    os.environ.setdefault(LEVEL_VARIABLE, ERRORS)
    with contextlib.nullcontext() if debug else quiet():
        found = importlib.import_module(module)
        tensorflow = sys.modules.get("tensorflow")
        if tensorflow is not None:
            tensorflow.config.list_physical_devices("GPU")  # it looks for drivers now, and says so
    return found


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within it, nothing that is written to file descriptor 2 is seen; after an exception all of it is.

    Where the process is ended by a signal, as for a CPU that lacks instructions, the Python stack is written.
    """
    try:
        shown = os.dup(STDERR)
    except OSError:  # closed: nothing is seen anyway
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
