"""Test-time augmentation: a model applied to several views of an image, whose results are merged."""
