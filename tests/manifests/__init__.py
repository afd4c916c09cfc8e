"""A package, so that `site` ends when a worker leaves it."""
