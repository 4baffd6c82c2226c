"""The extra fields of objects: how each is read, moved with its image, and written."""
