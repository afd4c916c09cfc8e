"""`etpguard explain`: one Service, its outcome, why, and what to do."""
