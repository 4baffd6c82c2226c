"""The report of `mrcnn evaluate --report`: how good a model is, and where it fails."""
