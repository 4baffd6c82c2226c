"""Explains detections that were compared with the truth: which are right, and what is wrong with the others."""
