"""Who counts requests. This module loads nothing, since commands that load no asyncio import it too."""

from __future__ import annotations

from collections.abc import Callable

OnRequest = Callable[[str, str, int], None]
"""Called after each request with its verb, its resource and the HTTP status, 0 for no answer."""


def uncounted(verb: str, resource: str, status: int) -> None:
    """Count nothing."""
