"""A trained model as an HTTP service."""
