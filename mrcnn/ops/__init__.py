"""Pure tensor functions: the detector's maths."""
