"""Reads, checks and writes weight files; loads them into a model's variables."""
