"""Why a step of remediation does not take place."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818  nothing went wrong here
    """The API server does not allow the change, or does not carry it out."""


class Changed(Exception):  # noqa: N818  nothing went wrong
    """The object is gone, is not as it was, or cannot be decoded."""
