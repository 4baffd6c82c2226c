"""JSON in, frozen typed settings out."""
