"""One record of model settings for each published family."""
