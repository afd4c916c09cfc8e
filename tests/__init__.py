"""A package, because packages are in it."""
