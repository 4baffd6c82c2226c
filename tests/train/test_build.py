"""The model of a run, with a small fake one; the real model is built in `test_real_model.py`."""

import keras
import numpy as np
import pytest

from mrcnn.config.load import load_train_config
from mrcnn.train import build, devices
from mrcnn.train.check import Start

from . import fake, tiny

MAPPING = {"bg": 0, "bar": 1, "disc": 2}


@pytest.fixture
def built(monkeypatch):
    """Puts the small model in the place of the real one; gives what it is asked for."""
    asked = []

    def build_model(config, *, num_classes):
        asked.append((config, num_classes, keras.config.dtype_policy().name))
        return fake.FakeMaskRCNN(num_classes=num_classes, side=tiny.SIDE)

    monkeypatch.setattr(build.build, "build_model", build_model)
    return asked


def make(log, make_state, **settings):
    config = load_train_config({**tiny.CONFIG, **settings})
    return build.build_network(
        config,
        MAPPING,
        chosen=devices.choose([], warn=log.warning),
        begin=Start(config=config, model=None, resumed=None, classes=None),
        state=make_state(),
        log=log,
    )


def test_build_network_keeps_the_configs_threshold(built, log, make_state):
    make(log, make_state)
    make(log, make_state, model={**tiny.CONFIG["model"], "score_threshold": 0.01})
    assert [(config.score_threshold, count) for config, count, _ in built] == [(0.7, 3), (0.01, 3)]


def test_build_network_uses_the_precision_inside_alone(built, log, make_state):
    before = keras.config.dtype_policy().name
    make(log, make_state, precision="mixed_bfloat16")
    assert [policy for *_, policy in built] == ["mixed_bfloat16"]
    assert keras.config.dtype_policy().name == before


def test_build_network_warns_of_layers_that_stay_random(built, log, make_state):
    network = make(log, make_state, train_layers="heads")
    assert [variable.path.split("/")[-2] for variable in network.trainable_variables] == ["mrcnn_class_logits"] * 2
    (noise,) = [message for message in log.messages if "stay so" in message]
    assert noise.startswith("1 layers are random and stay so, since `train_layers` heads does not train them (conv1)")


def test_build_network_gives_the_optimizer_its_schedule(built, log, make_state):
    network = make(log, make_state, lr=0.5, epochs=2, lr_schedule={"name": "cosine", "final_fraction": 0.1})
    rate = network.optimizer._learning_rate
    assert float(rate(10**6)) == pytest.approx(0.05)  # a tenth of 0.5 from the 6th step on: 2 epochs of 3 steps
    assert float(rate(6)) == pytest.approx(0.05)
    assert np.isfinite(float(rate(0)))
