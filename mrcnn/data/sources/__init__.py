"""What gives training and evaluation their samples."""
