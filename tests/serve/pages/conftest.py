import pytest

from tests.serve import browser
from tests.serve.helpers import running

from .helpers import make_three


@pytest.fixture(scope="session")
def three():
    """A service that finds three objects in each picture, see `helpers.three_objects`."""
    with running(make_three()) as found:
        yield found


@pytest.fixture(scope="session")
def window(three):
    """The real browser, one for all tests of the pages; it closes its connections before that service stops."""
    with browser.browsing() as found:
        yield found


@pytest.fixture
def page(window, three):
    """The page of that service, newly opened."""
    window.resize(1200, 800)
    window.open(f"{three.url}/")
    window.wait_for("#status", "Ready")
    return window
