"""The cascade: box heads in stages, each on the boxes that the one before it refined."""
