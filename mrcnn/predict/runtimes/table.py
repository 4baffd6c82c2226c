"""The table of the runtimes of exported files, by file ending.

A runtime is a module with `open_file(path, *, threads) -> opened.Opened`. It is imported by name when a file of its
kind is opened, since it may need a large package.
"""

import importlib
from pathlib import Path
from typing import NamedTuple

from mrcnn.errors import UserError
from mrcnn.predict.runtimes.opened import Opened

CONFIG = "config.json"  # of a model folder, which an export beside it does not replace


class Kind(NamedTuple):
    """A kind of exported files.

    Attributes:
        title: in messages, such as "ONNX file".
        format: name of the export's `--format`.
        file: name of the file in the folder that the export writes; its ending is that of the kind.
        module: the runtime, by its dotted name.
        in_tensorflow: whether TensorFlow runs it, so that its device is chosen as that of a model folder.
    """

    title: str
    format: str
    file: str
    module: str
    in_tensorflow: bool = False


KINDS: tuple[Kind, ...] = (
    Kind("ONNX file", "onnx", "model.onnx", "mrcnn.predict.runtimes.onnx"),
    Kind("OpenVINO model", "openvino", "model.xml", "mrcnn.predict.runtimes.openvino"),
    Kind("LiteRT file", "litert", "model.tflite", "mrcnn.predict.runtimes.litert"),
    Kind("Keras file", "keras", "model.keras", "mrcnn.predict.runtimes.keras_file", in_tensorflow=True),
    Kind("SavedModel", "saved_model", "saved_model.pb", "mrcnn.predict.runtimes.saved_model", in_tensorflow=True),
)


class Located(NamedTuple):
    """An exported file and its kind."""

    path: Path
    kind: Kind


def locate(model: str | Path) -> Located | None:
    """Finds the exported file that a path refers to.

    Args:
        model: a file with the ending of a kind, which need not exist, or the folder that an export wrote.

    Returns:
        The file; None where the path is no export, such as a model folder.
    """
    path = Path(model)
    if path.is_dir():
        inside = [] if (path / CONFIG).exists() else [kind for kind in KINDS if (path / kind.file).is_file()]
        return Located(path / inside[0].file, inside[0]) if inside else None
    found = [kind for kind in KINDS if path.suffix.lower() == Path(kind.file).suffix]
    return Located(path, found[0]) if found else None


def open_located(located: Located, *, threads: int | None = None) -> Opened:
    """Opens an exported file.

    Args:
        located: from `locate`.
        threads: number of threads that compute an image; None for the runtime's own choice: one of LiteRT, else
            one per core.

    Raises:
        UserError: the file is missing or damaged, its runtime is not installed, or `threads` is below 1.
    """
    if threads is not None and threads < 1:  # runtimes disagree on what it means
        raise UserError(f"`threads` must be at least 1, got {threads}; leave it out for the runtime's own choice")
    check_there(located)
    opened: Opened = importlib.import_module(located.kind.module).open_file(located.path, threads=threads)
    return opened


def check_there(located: Located) -> None:
    """Checks that an exported file exists and can be read.

    Raises:
        UserError: it does not, or it cannot.
    """
    path, kind = located
    if not path.is_file():
        raise UserError(f"there is no {kind.title} {path}; `mrcnn export --format {kind.format}` writes one")
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise UserError(f"cannot read the {kind.title} {path}: {error.strerror}; check its permissions") from error
