"""What holds for all tests."""

import ctypes
import gc
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


@pytest.fixture(scope="module", autouse=True)
def freed_memory(request):
    """Returns the memory of a module's models to the system after slow tests, whose models are large.

    Without it the process of many slow modules grows to 10 GB, since glibc keeps freed memory.
    """
    yield
    if "not slow" not in request.config.getoption("markexpr") and sys.platform == "linux":
        gc.collect()
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
        if trim is not None:
            trim(0)
