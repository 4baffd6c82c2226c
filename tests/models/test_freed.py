"""The graphs of a model that is no longer used are freed, and with them the memory of its weights."""

import gc

import keras
import pytest
import tensorflow as tf

from .small import POINTREND, POINTS, build_model, make_batch


def graphs():
    """Counts the graphs that are alive, among them those of other tests and TensorFlow's default graph."""
    tf.compat.v1.get_default_graph()  # made when it is first used
    gc.collect()
    return sum(isinstance(each, tf.Graph) for each in gc.get_objects())


def train(model):
    model.compile(optimizer=keras.optimizers.SGD(0.01))
    model.fit(tf.data.Dataset.from_tensors(make_batch()), epochs=1, verbose=0)


def detect(model):
    batch = make_batch()
    inputs = {name: batch[name] for name in ("images", "windows")}
    tf.function(lambda: model(inputs), autograph=False)()


@pytest.mark.parametrize("settings", [{}, {**POINTREND, **POINTS, "box_head": "cascade"}], ids=["fcn", "cascade"])
@pytest.mark.parametrize("use", [detect, train])
def test_a_used_model_is_freed(use, settings):
    before = graphs()
    use(build_model(**settings))
    assert graphs() <= before
