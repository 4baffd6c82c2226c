"""Reads a model of this package from the ZIP archive that Keras writes, without building any other class."""

import json
import zipfile
import zlib
from pathlib import Path
from typing import cast

import keras

from mrcnn.errors import UserError
from mrcnn.models import build
from mrcnn.models.mask_rcnn import MaskRCNN

CONFIG = "config.json"  # Keras' name in the archive
MOST_BYTES = 2**26  # of a text in the archive
# what `zipfile` raises for a damaged archive; a changed bit may ask for a password or another compression
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)


class Damaged(ValueError):
    """The archive cannot be read as that of a model."""


def read_model(path: Path) -> MaskRCNN:
    """Builds the model of an archive, with its weights.

    A config of Keras may name any class of any module, so only the classes of `build.BUILDERS` are built, and of the
    dtype policy the name alone is read.

    Raises:
        Damaged: the archive cannot be read; its cause is the error of Keras.
        UserError: its model is none of this package.
    """
    known = {keras.saving.get_registered_name(kind): kind for kind in build.BUILDERS.values()}
    try:
        with zipfile.ZipFile(path) as archive:
            written = json.loads(read_text(archive, CONFIG))
        name, config = written["registered_name"], written["config"]
    except UNREADABLE as error:
        raise Damaged(str(error)) from error
    if name not in known:
        raise UserError(f"{path} holds {name!r}, which is no model of this package")
    try:
        policy = keras.DTypePolicy(str(config["dtype"]["config"]["name"]))
        kind = cast(type[MaskRCNN], known[name])
        model: MaskRCNN = kind.from_config({**config, "dtype": keras.saving.serialize_keras_object(policy)})
        model.load_weights(path)
    except Exception as error:  # Keras' exceptions for damaged archives have no other base class
        raise Damaged(str(error)) from error
    return model


def read_text(archive: zipfile.ZipFile, name: str) -> str:
    """Reads a text of an open archive.

    Raises:
        ValueError: it is too large, or no UTF-8; or another of `UNREADABLE`.
    """
    if archive.getinfo(name).file_size > MOST_BYTES:
        raise ValueError(f"{name} is larger than {MOST_BYTES} bytes")
    return archive.read(name).decode()
