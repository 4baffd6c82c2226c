"""REST dialects: one file each; `serve/app.py` holds the table of them."""
