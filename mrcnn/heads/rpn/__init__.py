"""The region proposal network: anchors, network, targets, loss, proposals."""
