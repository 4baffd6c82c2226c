"""Writes detections: project labels, pictures and COCO results."""
