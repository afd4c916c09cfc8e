"""etpguard: finds the nodes that drop external traffic to Services with externalTrafficPolicy: Local."""

__version__ = "0.1.0"
