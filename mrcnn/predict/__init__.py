"""Images in, detections out: the predictor and the inference modes."""
