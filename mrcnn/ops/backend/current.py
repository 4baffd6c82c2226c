"""Selects the file of Keras' back end, which the environment variable `KERAS_BACKEND` or Keras' config file names."""

import importlib
from typing import cast

import keras

from mrcnn.ops.backend.interface import Backend

native = cast(Backend, importlib.import_module(f"mrcnn.ops.backend.{keras.config.backend()}"))
