"""The model of a run, with a small fake one; the real model is built in `test_real_model.py`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config.load import load_train_config
from mrcnn.data.sources.source import Samples
from mrcnn.models import keras_internals
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.structures import Sample
from mrcnn.train import build, devices
from mrcnn.train.check import Checked, Start

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


def make(log, make_state, class_counts=None, **settings):
    config = load_train_config({**tiny.CONFIG, **settings})
    return build.build_network(
        config,
        MAPPING,
        chosen=devices.choose([], warn=log.warning),
        begin=Start(config=config, model=None, resumed=None, classes=None),
        state=make_state(),
        log=log,
        class_counts=class_counts,
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


def test_build_network_passes_the_weight_decay_to_the_optimizer(built, log, make_state):
    settings = {"weight_decay": 0.25, "weight_decay_form": "gradient", "decay_biases": False}
    made = make(log, make_state, optimizer=settings)
    assert (made.optimizer.gradient_decay, made.optimizer.weight_decay) == (0.25, None)
    decayed = [keras_internals.is_decayed(made.optimizer, variable) for variable in made.trainable_variables]
    assert [variable.name for variable in made.trainable_variables] == ["kernel", "bias"] * 2
    assert decayed == [True, False] * 2
    assert make(log, make_state, optimizer={"weight_decay": 0.5}).optimizer.weight_decay == 0.5


def test_build_network_restricts_the_mask_loss_to_the_classes_of_the_config(log, make_state):
    network = make(log, make_state, allowed_mask_classes=["disc"])
    assert network.head("mask").mask_classes == (2,)
    assert make(log, make_state).head("mask").mask_classes is None


def test_build_network_tells_the_federated_loss_the_numbers_of_images(log, make_state):
    network = {**tiny.CONFIG["model"], "class_loss": "federated"}
    assert make(log, make_state, model=network).box.class_counts is None
    assert make(log, make_state, model=network, class_counts=(0, 4, 2)).box.class_counts == (0, 4, 2)


def test_class_counts_are_the_images_of_each_class_if_the_model_needs_them():
    images = [(1,), (1, 1), (2, 1)]
    samples = tuple(Sample("ds/a.png", "a.png", ids, ids, (False,) * len(ids), (48, 64)) for ids in images)
    found = []
    for class_loss in ("softmax", "sigmoid", "federated"):
        config = load_train_config({"model": {"class_loss": class_loss}})
        begin = Start(config=config, model=None, resumed=None, classes=None)
        data = Samples(samples, samples[:1], {"bg": 0, "bar": 1, "disc": 2, "star": 3})
        found.append(build.class_counts(Checked(config, begin, ProjectMeta(()), data, devices.use(["CPU:0"]))))
    assert found == [None, None, (0, 3, 1, 0)]


def test_build_run_makes_the_first_state_and_the_folder_of_checkpoints(built, log, tmp_path):
    config = load_train_config({**tiny.CONFIG, "checkpoints": {"keep": 2}})
    sample = Sample("ds/a.png", "a.png", (None,), (1,), (False,), (48, 64))
    checked = Checked(
        config,
        Start(config=config, model=None, resumed=None, classes=None),
        ProjectMeta((ClassMeta("disc", color="#00FF00"), ClassMeta("bar"))),
        Samples((sample,) * 5, (sample,), MAPPING),
        devices.use(["CPU:0"]),
    )
    made = build.build_run(checked, tmp_path / "out", log=log)
    assert (made.state.epoch, made.state.step, made.state.steps_per_epoch, made.state.train_images) == (0, 0, 2, 5)
    assert (made.state.val_images, made.state.train_names == made.state.val_names) == (1, False)
    assert (made.store.root, made.store.keep) == (tmp_path / "out", 2)
    assert made.store.config["class_title_to_idx"] == MAPPING
    assert [item["title"] for item in made.store.config["classes"]] == ["disc", "bar", "bg"]
    assert "schedule: 2 epochs of 2 steps of 2 images, sgd, lr 0.002 constant" in log.messages
    assert f"output: {tmp_path / 'out'}" in log.messages


@pytest.mark.parametrize("jit_compile", [False, True])
def test_build_network_compiles_the_step_with_xla_on_demand(built, log, make_state, jit_compile):
    network = make(log, make_state, jit_compile=jit_compile)
    assert network.jit_compile == jit_compile
    data = tf.data.Dataset.from_tensors(fake.make_batch(0, side=tiny.SIDE))
    network.fit(data, epochs=1, verbose=0, shuffle=False)
    assert np.isfinite(network.get_metrics_result()["mrcnn_mask_loss"])
