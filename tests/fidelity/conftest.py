import pytest

from mrcnn.config.model import ModelConfig
from mrcnn.models import build
from mrcnn.weights import apply
from tests.fidelity import recipe


@pytest.fixture(scope="session")
def weights():
    return recipe.make_weights(recipe.read_shapes(), recipe.read_constants())


@pytest.fixture(scope="session")
def weights_file(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "model.h5"
    recipe.write_h5(path, weights)
    return path


@pytest.fixture(scope="session")
def model(weights_file):
    model = build.build_model(ModelConfig(backbone="resnet50"), num_classes=5)
    apply.load_into(model.weight_layout(), weights_file)
    return model
