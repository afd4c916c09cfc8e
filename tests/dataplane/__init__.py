"""A package, so that a lab ends when a worker leaves it."""
