"""Image files: formats, headers, value range, pixels."""
