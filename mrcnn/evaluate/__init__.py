"""Predictions and ground truth to metrics."""
