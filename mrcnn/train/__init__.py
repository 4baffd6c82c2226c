"""Optimizer, schedule, callbacks, checkpoints and the run."""
