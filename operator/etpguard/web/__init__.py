"""HTTP: /metrics, /readyz and /livez, for any number of clients of any kind."""

from etpguard.web.listener import ListenError
from etpguard.web.pages import Health, serve

__all__ = ["Health", "ListenError", "serve"]
