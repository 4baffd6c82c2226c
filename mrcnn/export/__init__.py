"""A trained model as a deployable artifact, and the proof that it is equal."""
