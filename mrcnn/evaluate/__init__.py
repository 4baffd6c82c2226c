"""Computes COCO metrics from ground truth and detections."""
