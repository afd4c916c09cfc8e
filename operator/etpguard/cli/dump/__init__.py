"""`etpguard dump`: the objects that `check` reads, as one List."""
