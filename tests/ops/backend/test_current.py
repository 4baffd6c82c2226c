import keras

from mrcnn.ops.backend.current import native


def test_native_is_the_file_of_keras_back_end():
    assert native.__name__ == f"mrcnn.ops.backend.{keras.config.backend()}"
