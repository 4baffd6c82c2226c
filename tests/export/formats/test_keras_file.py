"""The Keras file: equal to the live model bit for bit, also in Keras alone."""

import keras
import numpy as np
import pytest

from mrcnn.export import run
from mrcnn.export.formats.keras_file import KerasFile
from mrcnn.predict.exported import ExportedPredictor
from mrcnn.predict.predictor import Predictor
from tests.export import families, helpers

SIZES = [(20, 200), (90, 70), (300, 401)]


@pytest.fixture(scope="module")
def bundle():
    return helpers.small_bundle()


@pytest.fixture(scope="module")
def file(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras")
    run.write(bundle, folder, format=KerasFile())
    return folder / "model.keras"


@pytest.mark.parametrize("size", SIZES)
def test_file_detects_the_same_as_the_model(bundle, file, size):
    image = helpers.photo(*size, seed=3)
    [live], [found] = Predictor(bundle).predict([image]), ExportedPredictor.load(file).predict([image])
    assert len(live.scores) > 0
    for name in ("boxes", "class_ids", "scores", "masks"):
        np.testing.assert_array_equal(getattr(found, name), getattr(live, name))
    assert found.class_names == live.class_names


def test_proof_opens_the_same_network(bundle, file):
    [(name, detect)] = KerasFile().open(file.parent, run.detector_settings(bundle)).items()
    image = helpers.photo(90, 70)
    [live] = Predictor(bundle).predict([image])
    assert name == "network"
    np.testing.assert_array_equal(detect(image)["scores"], live.scores)


def test_keras_alone_opens_it(bundle, file):
    model = keras.saving.load_model(file)
    assert type(model) is type(bundle.model)
    for own, written in zip(model.weights, bundle.model.weights, strict=True):
        np.testing.assert_array_equal(own.numpy(), written.numpy())


KEYPOINTS = {"heads": ("masks", "keypoints"), "keypoints": {"names": tuple("abcde")}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "changes"),
    [("torchvision", KEYPOINTS), ("torchvision_v2", {}), ("detectron2", {}), ("cascade", {})],
    ids=["torchvision, keypoints", "torchvision_v2", "detectron2", "cascade"],
)
def test_file_of_each_family_detects_the_same_as_the_model(tmp_path, family, changes):
    bundle = families.make_bundle(family, detections_per_image=20, **changes)
    run.write(bundle, tmp_path, format=KerasFile())
    image = helpers.photo(90, 120)
    [live], [found] = Predictor(bundle).predict([image]), ExportedPredictor.load(tmp_path).predict([image])
    assert len(live.scores) > 0
    for name in ("boxes", "class_ids", "scores", "masks"):
        np.testing.assert_array_equal(getattr(found, name), getattr(live, name))
    assert set(found.extras) == set(live.extras) == set(changes.get("heads", ())) - {"masks"}
    for name in live.extras:
        np.testing.assert_array_equal(found.extras[name], live.extras[name])
