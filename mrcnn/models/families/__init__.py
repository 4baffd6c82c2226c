"""One file for each published model family: how its detector is put together."""
