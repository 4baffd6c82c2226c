"""The whole Mask R-CNN, composed of backbone, pyramid and heads."""
