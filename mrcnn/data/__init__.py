"""Reads projects and COCO files and makes batches of them."""
