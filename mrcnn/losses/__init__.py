"""Outputs and targets to values and measurements."""
