"""Reads COCO instance JSON in the variants that exporters write."""
