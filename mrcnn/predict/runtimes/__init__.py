"""Opens exported files: one module for each runtime, and the table of them."""
