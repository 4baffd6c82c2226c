"""Writes annotated images in the label formats of other tools, a file for each format."""
