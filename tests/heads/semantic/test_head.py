from itertools import chain

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.semantic.head import LOSS, Semantic
from mrcnn.ops import reduction
from mrcnn.structures import UNLABELLED
from tests.heads.semantic.test_network import pyramid


def head(**kwargs):
    keras.utils.set_random_seed(0)
    built = Semantic(**{"stuff_classes": 2, "channels": 8, "groups": 2, **kwargs})
    built.build((None, None, None, 4))
    return built


def test_decode_predicts_a_map_of_the_model_input():
    maps = head().decode(pyramid())
    assert {name: tuple(value.shape) for name, value in maps.items()} == {"semantic": (2, 16, 16, 3)}


def test_losses_compare_at_the_size_of_the_model_input():
    built = head()
    classes = np.random.default_rng(0).integers(0, 3, (2, 64, 64)).astype("uint8")
    outputs = built.outputs(pyramid(), {"gt_semantic": classes}, training=True)
    [(name, loss)] = built.losses(outputs, across=reduction.identity).items()
    assert name == LOSS
    larger = tf.image.resize(outputs.logits, (64, 64))
    expected = tf.nn.sparse_softmax_cross_entropy_with_logits(classes.astype("int32"), larger)
    assert float(loss) == pytest.approx(float(np.mean(expected)), rel=1e-5)


def test_losses_of_unlabelled_images_are_zero():
    built = head()
    classes = np.full((2, 64, 64), UNLABELLED, "uint8")
    outputs = built.outputs(pyramid(), {"gt_semantic": classes}, training=True)
    assert float(built.losses(outputs, across=reduction.identity)[LOSS]) == 0.0


def test_outputs_train_every_weight():
    built = head()
    classes = np.random.default_rng(0).integers(0, 3, (2, 64, 64)).astype("uint8")
    with tf.GradientTape() as tape:
        outputs = built.outputs(pyramid(), {"gt_semantic": classes}, training=True)
        loss = built.losses(outputs, across=reduction.identity)[LOSS]
    gradients = tape.gradient(loss, [variable.value for variable in built.trainable_variables])
    assert len(gradients) == 7 * 3 + 2
    assert all(np.abs(np.asarray(gradient)).max() > 0 for gradient in gradients)


def test_class_layers_are_those_that_depend_on_the_stuff_classes():
    def shapes(stuff):
        weights = head(stuff_classes=stuff).network
        layers = [*chain(*weights.convolutions), *chain(*weights.norms), weights.predictor]
        return {layer.name: [tuple(each.shape) for each in layer.weights] for layer in layers}

    two, three = shapes(2), shapes(3)
    assert {name for name in two if two[name] != three[name]} == set(Semantic.class_layers)


def test_a_semantic_head_needs_a_stuff_class():
    with pytest.raises(ValueError, match="needs a stuff class, got 0"):
        Semantic(stuff_classes=0)
