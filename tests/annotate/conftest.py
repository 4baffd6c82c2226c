import pytest

from .runs import make_animals


@pytest.fixture
def project(tmp_path):
    return make_animals(tmp_path)
