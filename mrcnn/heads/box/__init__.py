"""The box head: region sampling, network, loss, detections."""
