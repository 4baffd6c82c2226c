"""Weight files onto variables."""
