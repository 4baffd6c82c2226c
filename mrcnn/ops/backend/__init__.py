"""What must differ between Keras' back ends: one file for each, all with the interface of `interface.py`."""
