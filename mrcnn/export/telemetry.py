"""Keeps OpenVINO's converter and NNCF from reporting their use over the network."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "CI"  # with the value "true", the package openvino-telemetry sends nothing


@contextmanager
def off() -> Iterator[None]:
    """Sets the variable that switches reports off, for imports and calls inside; restores it afterwards."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
