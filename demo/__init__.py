"""The operator at work on the case that it was made for."""
