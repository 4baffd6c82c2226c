import keras
import numpy as np

from mrcnn.models import keras_internals


class _Pair(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = keras.layers.Dense(2, name="inner")
        self.norm = keras.layers.BatchNormalization(name="norm", trainable=False)

    def build(self, input_shape):
        self.inner.build(input_shape)
        self.norm.build((None, 2))

    def call(self, inputs):
        return self.norm(self.inner(inputs))


def _model():
    return keras.Sequential([keras.Input((3,)), _Pair(name="pair"), keras.layers.Dropout(0.1), keras.layers.Dense(1)])


def test_layers_with_weights_lists_inner_and_frozen_layers_but_no_container():
    names = [layer.name for layer in keras_internals.layers_with_weights(_model())]
    assert names[:2] == ["inner", "norm"] or set(names[:2]) == {"inner", "norm"}
    assert len(names) == 3
    assert "pair" not in names


def test_skip_symbolic_build_trains_without_building_again(monkeypatch):
    model = _model()
    built = []
    monkeypatch.setattr(keras.Model, "_symbolic_build", lambda self, **_: built.append(self), raising=True)
    keras_internals.skip_symbolic_build(model)
    model.compile(loss="mse", optimizer="sgd")
    model.fit(np.zeros((2, 3)), np.zeros((2, 1)), verbose=0)
    assert built == []


def test_is_decayed_follows_the_exclusion():
    first, second = keras.Variable(np.zeros(2), name="first"), keras.Variable(np.zeros(2), name="second")
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.exclude_from_weight_decay(var_list=[second])
    optimizer.build([first, second])
    assert [keras_internals.is_decayed(optimizer, variable) for variable in (first, second)] == [True, False]
    assert not keras_internals.is_decayed(optimizer, second.value)  # TensorFlow's own form


def test_take_summed_gradients_replaces_the_sum_over_the_devices():
    optimizer = keras.optimizers.SGD(1.0)
    assert callable(optimizer._all_reduce_sum_gradients)  # that of Keras, which may be renamed
    keras_internals.take_summed_gradients(optimizer)
    pairs = [(np.float32(1.0), None)]
    assert optimizer._all_reduce_sum_gradients(pairs) is pairs
    variable = keras.Variable(np.float32(5.0))
    optimizer.build([variable])
    optimizer.apply([np.float32(2.0)])
    assert float(variable.numpy()) == 3.0
