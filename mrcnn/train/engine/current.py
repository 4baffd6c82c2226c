"""Selects the file of Keras' back end."""

import importlib
from typing import cast

import keras

from mrcnn.train.engine.interface import Engine

_FILE = "tensorflow" if keras.config.backend() == "tensorflow" else "one_device"

engine = cast(Engine, importlib.import_module(f"mrcnn.train.engine.{_FILE}"))
