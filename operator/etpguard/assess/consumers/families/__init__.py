"""The families: one module or package for each controller, or for a few that behave alike.

They do not know each other. What two of them need is in `shared`.
"""
