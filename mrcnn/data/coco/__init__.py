"""COCO instance JSON, read as exporters write it."""
