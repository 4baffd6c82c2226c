"""Exports a trained model and verifies that the exported model is equivalent."""
