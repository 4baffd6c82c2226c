"""The base class of predictors of a Keras model, and the call of a graph."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.errors import OutOfMemory
from mrcnn.predict import live
from mrcnn.predict.predictor import Predictor
from mrcnn.structures import Choices

from . import helpers


def test_facts_of_has_the_settings_of_the_model():
    bundle = helpers.make_bundle(max_dim=128, channels=1, image_mean=(9.0,), image_range=4095, score_threshold=0.4)
    facts = live.facts_of(bundle)
    assert (facts.class_names, facts.class_metas) == (("bg", "cat", "dog"), bundle.class_metas)
    assert (facts.min_dim, facts.max_dim, facts.channels, facts.image_range) == (128, 128, 1, 4095)
    assert facts.choices == Choices.of(bundle.config)
    assert facts.choices.score_threshold == 0.4
    assert (facts.stuff_classes, dict(facts.maps), facts.needs) == ((), {}, ())


def test_facts_of_a_semantic_map_and_of_masks_learnt_from_points():
    config = {"extra_heads": ("semantic",), "stuff_classes": ("sky", "road"), "mask_supervision": "points"}
    facts = live.facts_of(helpers.make_bundle(**config))
    assert (facts.stuff_classes, list(facts.maps), facts.needs) == (("sky", "road"), ["semantic"], ("mask_points",))


class Weight:
    def __init__(self, values):
        self.values = np.float32(values)

    def numpy(self):
        return self.values


def test_identity_changes_with_the_weights_and_the_settings():
    def identity(values, **config):
        bundle = helpers.make_bundle(**config)
        bundle.model.weights = (Weight(values),)
        return Predictor(bundle).identity()

    assert identity([1, 2]) == identity([1, 2])
    assert identity([1, 2])["model"]["settings"] == MatterportConfig().model_dump(mode="json")
    assert identity([1, 2]) != identity([2, 1])
    assert identity([1, 2]) != identity([1, 2], mask_threshold=0.4)


def test_run_graph_fetches_arrays_and_names_what_to_lower():
    graph = tf.function(lambda one, two: {"sum": one + two})
    got = live.run_graph(graph, np.float32([[1, 2]]), np.float32([[3, 4]]), smaller="x")
    assert isinstance(got["sum"], np.ndarray)
    assert got["sum"].tolist() == [[4, 6]]

    def full(*arguments):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    for count, fix in ((1, "use smaller `tta.min_dims`, or another device"), (2, "use a smaller batch")):
        with pytest.raises(OutOfMemory) as caught:
            live.run_graph(full, np.zeros((count, 8, 9, 3)), smaller="smaller `tta.min_dims`")
        assert fix in str(caught.value)
        assert "8x9 pixels" in str(caught.value)
