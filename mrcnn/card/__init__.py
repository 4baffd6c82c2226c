"""The model card: a README.md in the form of the Hugging Face Hub, beside a trained model."""
