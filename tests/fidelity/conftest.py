import pytest

from tests.fidelity import recipe
from tests.fidelity.session import Session, build_model


@pytest.fixture(scope="session")
def weights():
    return recipe.make_weights(recipe.read_shapes(), recipe.read_constants())


@pytest.fixture(scope="session")
def weights_file(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "model.h5"
    recipe.write_h5(path, weights)
    yield path
    path.unlink()  # 180 MB, which pytest would keep for three runs


@pytest.fixture(scope="session")
def session(weights_file):
    return Session(build_model(weights_file))
