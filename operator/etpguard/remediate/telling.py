"""How remediation tells of what it did; who tells is injected."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from etpguard.objects import Service

Announce = Callable[[Service, str, bool, str], Awaitable[None]]
"""Service, reason, whether it is a Warning, note. Raises nothing that the API server does."""
Count = Callable[[str, str], None]
"""Action and result, for the metric."""
