"""One module for each published model family, which composes its detector."""
