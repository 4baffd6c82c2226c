"""Training: optimizer, schedule, callbacks, checkpoints and the run."""
