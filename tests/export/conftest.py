import io
import json

import keras
import pytest

from mrcnn.events import JsonLog
from mrcnn.export import run
from mrcnn.models import build
from mrcnn.predict.predictor import Predictor

from . import helpers


class HeardLog(JsonLog):
    """A log that keeps what it writes."""

    def __init__(self):
        self.text = io.StringIO()
        super().__init__(self.text)

    @property
    def messages(self):
        return [json.loads(line)["message"] for line in self.text.getvalue().splitlines()]


@pytest.fixture
def log():
    return HeardLog()


@pytest.fixture(scope="session")
def network():
    """A whole network with random weights, live."""
    keras.utils.set_random_seed(0)
    model = build.build_model(helpers.SMALL, num_classes=3)
    return Predictor(helpers.make_bundle(model, config=helpers.SMALL, side=helpers.SIDE))


@pytest.fixture(scope="session")
def exported_network(network, tmp_path_factory):
    """The same network's SavedModel."""
    folder = tmp_path_factory.mktemp("exported") / "1"
    run.write(network.bundle, folder)
    return folder
