"""A model under the conventions of older code is exported with them: its SavedModel finds what the live one finds."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from skimage import data

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.data import resize
from mrcnn.export import compare, run
from mrcnn.export.compare import Live
from mrcnn.export.precision import Tolerances
from mrcnn.models import build
from mrcnn.predict.predictor import Predictor

from . import helpers

ASTRONAUT = data.astronaut()
IMAGES = (ASTRONAUT, ASTRONAUT[100:400, 150:350], ASTRONAUT[180:240, 200:300])  # shrunk twice, enlarged


@pytest.mark.slow
@pytest.mark.parametrize("compatibility", ["matterport", "supervisely"])
def test_write_finds_what_the_live_model_finds(compatibility, tmp_path):
    keras.utils.set_random_seed(2)
    config = MatterportConfig(**helpers.SMALL_SETTINGS, compatibility=compatibility)
    bundle = helpers.make_bundle(build.build_model(config, num_classes=3), config=config, side=helpers.SIDE)
    run.write(bundle, tmp_path / "model")
    exported = tf.saved_model.load(str(tmp_path / "model"))
    paired = rounded = unpaired = 0
    predictor = Predictor(bundle)
    for image in IMAGES:
        live = Live(*predictor.predict_probabilities(image), bundle.output_rules)
        found = {key: value.numpy() for key, value in exported.signatures["serving_default"](image=image).items()}
        np.testing.assert_array_equal(found["boxes"], np.round(found["boxes"]))  # so the convention is in the graph
        # an edge near a half may round the other way: a pixel of the model input, and what is cut off behind it
        plan = resize.resize_plan(*image.shape[:2], min_dim=helpers.SIDE, max_dim=helpers.SIDE)
        result = compare.compare(
            live,
            found,
            name="image",
            signature="serving_default",
            score_threshold=config.score_threshold,
            most=config.detections_per_image,
            tolerances=Tolerances(),
            rounding_px=float(np.ceil(1 / min(plan.scale_yx))),
        )
        assert (result.masks_off, result.box_px) == (0, 0)
        assert result.score < 1e-3
        paired, rounded = paired + result.paired, rounded + result.rounded
        unpaired += result.unpaired
    assert paired > 20
    assert rounded < 0.1 * paired
    assert unpaired <= 0.05 * paired  # random weights score many regions alike: one grey value decides between two
