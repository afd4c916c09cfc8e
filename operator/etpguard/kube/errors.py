# ruff: noqa: N818  the names are adjectives and nouns that say what is wrong
"""Everything that can go wrong between etpguard and the API server.

One hierarchy: KubeError; its subclass ApiError is a request that failed; its subclass ListError is a list that
failed.
"""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import msgspec


class KubeError(Exception):
    """Base of all errors here. `str()` is one line that names what failed."""


class BadKubeconfig(KubeError):
    """There are no usable credentials: no kubeconfig, an unreadable one, a context, cluster or user that is not in
    it, or a credential plugin that fails."""


class ApiError(KubeError):
    """The API server refused a request or did not answer.

    `status` is the HTTP status, 0 without an answer or with one that no API server gives. `reason` and `message`
    are those of the Status object. `retry_after` is the header in seconds, None without one.
    """

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {reason}: {message}" if status else message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later: no answer, throttled, or a fault of the server."""
        return self.status in (0, 408, 429) or self.status >= 500

    @property
    def conflict(self) -> bool:
        """Whether the object is not as the request expects it: 409 for a precondition that does not hold, 422 for
        a failed `test` of a JSON Patch."""
        return self.status in (409, 422)

    @property
    def kind_absent(self) -> bool:
        """Whether a 404 is not about an object: the path is unknown, so the resource is not served."""
        return self.status == 404 and self.reason != "NotFound"


class ListError(ApiError):
    """A list failed. `message` is a whole sentence, and `str()` is the same."""

    usual_status = 0

    def __init__(
        self, message: str, retry_after: float | None = None, *, status: int | None = None, reason: str = ""
    ) -> None:
        super().__init__(self.usual_status if status is None else status, reason, message, retry_after)

    def __str__(self) -> str:
        return self.message


class Unreachable(ListError):
    """No answer, a TLS failure, or an answer that no API server gives."""


class Unauthorized(ListError):
    """401: the server does not accept the credentials."""

    usual_status = 401


class Forbidden(ListError):
    """403: the credentials do not permit it."""

    usual_status = 403


class NotServed(ListError):
    """404 on a collection: the API server does not serve the kind, because its CRD is not installed."""

    usual_status = 404


class Expired(ListError):
    """410 again and again: the list could not be read whole at one version."""

    usual_status = 410


class Overloaded(ListError):
    """429 or 5xx."""

    usual_status = 503


class Status(NamedTuple):
    """What a Status object says, in one line. Without one, `message` is the beginning of the body."""

    reason: str
    message: str

    @classmethod
    def of(cls, body: bytes) -> Status:
        if body.startswith(b"k8s\0"):
            from etpguard.objects.protobuf.pages import decode_status  # slow to load, and errors are rare

            with contextlib.suppress(ValueError):
                reason, message = decode_status(body)
                return cls(reason, " ".join(message.split()))
        try:
            decoded: Any = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            decoded = None
        found = decoded if isinstance(decoded, dict) else {}
        text = str(found.get("message") or "") or body[:200].decode(errors="replace")
        reason = str(found.get("reason") or "") if found.get("kind") == "Status" else ""
        return cls(reason, " ".join(text.split()))
