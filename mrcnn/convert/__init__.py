"""Converts other data formats to a Supervisely project."""
