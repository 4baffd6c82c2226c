"""Ground truth and detections to metrics."""
