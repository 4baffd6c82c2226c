"""Code that differs between Keras' back ends: one file for each, all with the interface of `interface.py`."""
