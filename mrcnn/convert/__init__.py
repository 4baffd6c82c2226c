"""Other data formats into a Supervisely project."""
