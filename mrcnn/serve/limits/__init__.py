"""Request limits: who may ask, how much, and checks of untrusted bodies, images and JSON."""
