"""Clients in the cluster: what `check` and `explain` show of Services with `internalTrafficPolicy: Local`."""
