"""A Supervisely project on disk, read and written."""
