"""The keypoint head: network, targets, loss, decoding."""
