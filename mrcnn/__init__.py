"""Mask R-CNN for Keras 3: see docs/architecture.md."""
