"""The formats of exported models: each file writes one, and opens it again for the proof."""
