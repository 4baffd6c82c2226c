"""Detections written onto projects and folders: labels, pictures, COCO results."""
