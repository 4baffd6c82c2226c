"""The extra fields of objects: what happens to each between annotation, model, file and picture."""
