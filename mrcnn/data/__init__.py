"""A project or a COCO file to batches."""
