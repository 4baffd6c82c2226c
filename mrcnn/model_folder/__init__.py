"""Reads and writes trained models on disk; chooses their device and precision."""
