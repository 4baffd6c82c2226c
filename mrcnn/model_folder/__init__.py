"""A trained model on disk: its layout, how it is read, and what it runs on."""
