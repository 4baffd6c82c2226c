"""Request limits: known hosts, numbers of requests, and checks of untrusted bodies, images and JSON."""
