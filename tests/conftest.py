"""What holds for all tests."""

import sys

import pytest


@pytest.fixture(scope="session", autouse=True)
def full_float32():
    """Switches TF32 off, so that references are met to float32's accuracy on a GPU too.

    A session whose test modules import no TensorFlow does not import it here.
    """
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None:
        tensorflow.config.experimental.enable_tensor_float_32_execution(False)
