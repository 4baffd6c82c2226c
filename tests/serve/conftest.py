import pytest

from . import helpers


@pytest.fixture(scope="module")
def service():
    """A running service with the default settings, for tests that leave it as it is."""
    with helpers.running() as found:
        yield found
