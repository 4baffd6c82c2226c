"""Heads on the feature pyramid: region proposals, boxes and masks."""
