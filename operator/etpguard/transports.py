"""The end of a connection that must not wait for its other side."""

from __future__ import annotations

import asyncio
import contextlib


def abort(transport: asyncio.WriteTransport) -> None:
    """Close the connection at once, and discard what was not sent yet. It may be closed or lost already.

    Python 3.11.2 raises AttributeError for a TLS transport that was closed twice (asyncio/sslproto.py), and 3.11.7
    does not.
    """
    with contextlib.suppress(AttributeError):
        transport.abort()
