import keras
import pytest
from keras import backend, ops

from mrcnn.blocks.base import Float32Layer


class _Echo(Float32Layer):
    def build(self, input_shape):
        self.weight = self.add_weight(name="weight", shape=(1,), initializer="ones")

    def call(self, inputs):
        return inputs, ops.convert_to_tensor(self.weight)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_float32_layer_inputs_and_weights_keep_their_type(policy):
    keras.config.set_dtype_policy(policy)
    try:
        inputs, weight = _Echo()(ops.ones((1,), dtype="float32"))
    finally:
        keras.config.set_dtype_policy("float32")
    assert (backend.standardize_dtype(inputs.dtype), backend.standardize_dtype(weight.dtype)) == ("float32", "float32")
