"""A network with the live model's preprocessing and postprocessing."""

import numpy as np
import pytest

from mrcnn.predict.image_function import image_function
from mrcnn.predict.predictor import Predictor
from tests.export import helpers


@pytest.mark.parametrize("size", [(30, 90), (64, 64), (200, 100)])
def test_image_function_finds_what_the_live_model_finds(size):
    model = helpers.make_exportable()
    image = helpers.photo(*size)
    fields = image_function(model.detect, model.settings)(image)
    found, probabilities = Predictor(helpers.make_bundle()).predict_probabilities(image)
    assert len(found.scores) == 2
    for name in ("boxes", "class_ids", "scores", "masks"):
        np.testing.assert_array_equal(fields[name], getattr(found, name))
    np.testing.assert_array_equal(fields["probabilities"], probabilities)


def test_image_function_without_detections():
    model = helpers.make_exportable(helpers.thresholded(2.0))
    fields = image_function(model.detect, model.settings)(helpers.photo(30, 90))
    assert [fields[name].shape for name in ("boxes", "masks", "probabilities")] == [(0, 4), (0, 30, 90), (0, 4, 4)]
