"""Maps of other code bases' tensors to this project's layers, one file each."""
