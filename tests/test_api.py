"""The short way in from Python, with real batches and a real network."""

import json
import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pytest

import mrcnn
from mrcnn import api
from mrcnn.data.sources.source import DataPaths
from mrcnn.errors import UserError
from mrcnn.predict.predictor import Predictor
from mrcnn.structures import Choices
from tests.train import tiny
from tests.train.conftest import HeardLog

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return tiny.write_project(tmp_path_factory.mktemp("project") / "shapes")


class Steps(keras.callbacks.Callback):
    """Counts the steps and keeps the last losses."""

    def __init__(self):
        super().__init__()
        self.count, self.logs = 0, {}

    def on_train_batch_end(self, batch, logs=None):
        self.count, self.logs = self.count + 1, dict(logs)


def test_open_data_reads_classes_steps_and_batches(project):
    data = mrcnn.open_data(project, config=tiny.CONFIG, log=HeardLog())
    assert data.class_names == ("bg", "bar", "disc")
    assert data.steps == 2
    batch = next(iter(data.train))
    assert batch["images"].shape == (2, tiny.SIDE, tiny.SIDE, 3)


def test_open_data_reads_a_coco_file_with_its_images_beside_it(tmp_path):
    for name in "abcde":
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((48, 64, 3), 90, np.uint8))
    images = [{"id": i, "file_name": f"{name}.png", "height": 48, "width": 64} for i, name in enumerate("abcde")]
    annotations = [
        {"id": i, "image_id": i, "category_id": 7, "segmentation": [[5, 5, 25, 5, 25, 25]], "bbox": [5, 5, 20, 20]}
        for i in range(5)
    ]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 7, "name": "cat"}]}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    for given in ({}, {"images": tmp_path}):
        data = mrcnn.open_data(tmp_path / "instances.json", config=tiny.CONFIG, log=HeardLog(), **given)
        assert data.class_names == ("bg", "cat")
        assert (len(data.checked.samples.train), len(data.checked.samples.val)) == (4, 1)
    path = tmp_path / "instances.json"
    data = mrcnn.open_data(mrcnn.DataPaths(path, tmp_path, path, tmp_path), config=tiny.CONFIG, log=HeardLog())
    assert (len(data.checked.samples.train), len(data.checked.samples.val)) == (5, 5)


def test_open_data_refuses_the_weight_of_no_loss(project):
    config = {**tiny.CONFIG, "model": {**tiny.CONFIG["model"], "loss_weights": {"foo": 1}}}
    with pytest.raises(UserError, match=r"^`model.loss_weights`: 'foo' is no loss of this model; those are rpn_class"):
        mrcnn.open_data(project, config=config, log=HeardLog())


def test_open_data_refuses_what_is_no_data(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        mrcnn.open_data(DataPaths(tmp_path / "nothing"), config=tiny.CONFIG, log=HeardLog())


def test_build_needs_a_start_model_for_transfer_learning(project):
    data = api.open_data(project, config={**tiny.CONFIG, "weights_init_type": "transfer_learning"}, log=HeardLog())
    with pytest.raises(UserError, match="transfer_learning needs start weights"):
        api.build(data, log=HeardLog())


def test_build_refuses_imagenet_weights_that_do_not_exist(project, tmp_path):
    config = {**tiny.CONFIG, "weights_init_type": "imagenet", "imagenet_weights": str(tmp_path / "none.h5")}
    data = api.open_data(project, config=config, log=HeardLog())
    with pytest.raises(UserError, match=r"`imagenet_weights` .* does not exist"):
        api.build(data, log=HeardLog())


def test_predictor_has_the_choices_of_the_model(project):
    data = mrcnn.open_data(project, config=tiny.CONFIG, log=HeardLog())
    model = SimpleNamespace(choices=Choices(score_threshold=0.25, mask_threshold=0.4))
    assert data.predictor(model).bundle.choices == model.choices


@pytest.mark.slow
def test_build_compile_fit_and_predictor_as_in_the_readme(project):
    data = mrcnn.open_data(project, config=tiny.CONFIG, log=HeardLog())
    model = mrcnn.build(data, log=HeardLog())
    before = [value.numpy().copy() for value in model.trainable_variables]
    model.compile(keras.optimizers.SGD(0.005, momentum=0.9))
    steps = Steps()
    model.fit(data.train, steps_per_epoch=data.steps, epochs=1, callbacks=[steps], verbose=0)
    assert steps.count == 2
    assert np.isfinite(steps.logs["loss"])
    assert "mrcnn_mask_loss" in steps.logs
    assert any((old != new.numpy()).any() for old, new in zip(before, model.trainable_variables, strict=True))
    predictor = data.predictor(model).with_choices(score_threshold=0.0)
    [found] = predictor.predict([sorted(project.glob("ds/img/*.png"))[0]])
    assert set(found.class_names) <= {"bar", "disc"}
    assert found.masks.shape[1:] == (48, 64)


def test_names_of_the_package_are_loaded_when_used():
    code = (
        "import sys, mrcnn; print('tensorflow' in sys.modules); mrcnn.load_train_config; print('keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    assert (mrcnn.Predictor, mrcnn.DataPaths) == (Predictor, DataPaths)
    with pytest.raises(AttributeError, match="module 'mrcnn' has no attribute 'predict_all'"):
        _ = mrcnn.predict_all


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="oneDNN is switched on x86 only")
@pytest.mark.parametrize(("given", "expected"), [(None, "1"), ("0", "0")])
def test_the_package_switches_onednn_on_unless_it_is_set(given, expected):
    environment = {name: value for name, value in os.environ.items() if name != ONEDNN}
    if given is not None:
        environment[ONEDNN] = given
    code = f"import mrcnn, os; print(os.environ[{ONEDNN!r}])"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
