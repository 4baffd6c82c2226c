"""The mask head: network, targets, loss."""
