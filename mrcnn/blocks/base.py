"""What every layer here shares: variables and boxes stay float32 under every precision policy."""

import keras


class Float32Layer(keras.layers.Layer):
    """A layer whose variables and inputs Keras leaves as they are; what computes in another type casts by itself."""

    def __init__(self, **kwargs):
        """Takes Keras's own arguments."""
        kwargs.setdefault("dtype", "float32")
        super().__init__(autocast=False, **kwargs)
