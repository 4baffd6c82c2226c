"""What training does differently with TensorFlow and with Keras' other back ends."""
