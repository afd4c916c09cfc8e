"""The modules that the operator needs only once it is ready. It imports them then, in a thread.

Kopf doubles the CPU time of all imports (measured: 0.8 s without, 2.0 s with it). The others take 0.1 s.
"""

from __future__ import annotations

from types import ModuleType


def load() -> None:
    """Import all of them."""
    from etpguard.app import page, writing  # noqa: F401

    kopf_watch()


def kopf_watch() -> ModuleType:
    from etpguard.intake import kopf_watch

    return kopf_watch
