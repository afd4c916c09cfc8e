# ruff: noqa: N818  each name says what is so
"""What can be wrong between here and the API server, each with one line to show."""

from __future__ import annotations

from typing import Any

import msgspec


class KubeError(Exception):
    """Base of all below; `str()` is one line that names the object of the trouble."""


class BadKubeconfig(KubeError):
    """No usable kubeconfig: none found, unreadable, or a context, cluster or user that is not in it."""


class Unreachable(KubeError):
    """No answer, TLS failed, or the server answered with what no API server says."""


class Unauthorized(KubeError):
    """401: the server does not take the credentials."""


class Forbidden(KubeError):
    """403: the credentials may not do it."""


class NotServed(KubeError):
    """404 on a collection: the API server does not know the kind (its CRD is not installed)."""


class Expired(KubeError):
    """410 again and again: the list could not be read whole at one version."""


class Overloaded(KubeError):
    """429 or 5xx. `retry_after` is what the server asked for, in seconds, or 0."""

    def __init__(self, message: str, retry_after: float = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def message(body: bytes) -> str:
    """The message of a Status object, else the beginning of what came instead; one line."""
    try:
        decoded: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        decoded = None
    text = decoded.get("message") if isinstance(decoded, dict) else None
    return " ".join((text or body[:200].decode(errors="replace")).split()) or "(empty answer)"
