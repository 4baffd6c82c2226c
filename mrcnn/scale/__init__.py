"""Inference over millions of images: a job of shards, and the engines that run it."""
