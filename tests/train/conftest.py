import io
import json

import numpy as np
import pytest

from mrcnn.config.load import load_train_config
from mrcnn.data.sources.source import DataPaths
from mrcnn.events import JsonLog
from mrcnn.train import run
from mrcnn.train.state import TrainingState

from . import fake, tiny

SETTINGS = {"epochs": 3, "lr": 0.05, "optimizer": {"global_clipnorm": 0.1}}


class HeardLog(JsonLog):
    """A log that keeps what it writes."""

    def __init__(self):
        self.text = io.StringIO()
        super().__init__(self.text)

    @property
    def events(self):
        return [json.loads(line) for line in self.text.getvalue().splitlines()]

    @property
    def messages(self):
        return [event["message"] for event in self.events]

    def of(self, message):
        return [event for event in self.events if event["message"] == message]


@pytest.fixture
def log():
    return HeardLog()


@pytest.fixture
def make_state():
    def make(epoch=0, step=0, **fields):
        defaults = {"steps_per_epoch": 3, "train_images": 12, "seed": 0}
        return TrainingState(epoch=epoch, step=step, **{**defaults, **fields})

    return make


@pytest.fixture
def arrays():
    return (np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7, np.int64))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return tiny.write_project(tmp_path_factory.mktemp("data") / "project", train=6, val=3)


@pytest.fixture(scope="module")
def built():
    """Replaces the model by the small one for this module; lists the configs it was built with."""
    asked = []

    def build_model(config, *, num_classes):
        asked.append(config)
        return fake.FakeMaskRCNN(num_classes=num_classes, side=tiny.SIDE)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.build.build, "build_model", build_model)
        yield asked


@pytest.fixture(scope="module")
def train(project, built):
    def call(
        output, *, log=None, resume=False, model=None, data=None, project_dir=project, network=None, callbacks=(),
        **settings,
    ):  # fmt: skip
        config = load_train_config({**tiny.CONFIG, **SETTINGS, **settings, "model": network or tiny.CONFIG["model"]})
        log = log or HeardLog()
        run.train(
            config, project_dir=project_dir if data is None else None, data=data, output_dir=output, log=log,
            resume=resume, model=model, callbacks=callbacks,
        )  # fmt: skip
        return log

    return call


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    """The images of `project` as COCO data."""
    train, val, images = tiny.write_coco(tmp_path_factory.mktemp("coco"), train=6, val=3)
    return DataPaths(train, images, val)


@pytest.fixture(scope="module")
def whole(train, tmp_path_factory):
    """Trains three epochs of three steps without a stop."""
    output = tmp_path_factory.mktemp("whole")
    return output, train(output)
