"""Thin Keras layers over `mrcnn.ops`."""
