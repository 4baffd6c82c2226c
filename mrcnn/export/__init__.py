"""Exports a trained model as a SavedModel and verifies that it is equivalent."""
