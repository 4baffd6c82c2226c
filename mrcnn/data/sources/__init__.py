"""Readers that make the samples of training and evaluation."""
