"""The commands of `mrcnn`: each reads its options and calls the package."""
