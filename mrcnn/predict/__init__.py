"""Inference on images: the predictor, the inference modes, and compact detections."""
