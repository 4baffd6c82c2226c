"""The semantic head: the class of each pixel, of things together and of stuff."""
