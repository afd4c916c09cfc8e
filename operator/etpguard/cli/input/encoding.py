"""In which encoding a file is."""

from __future__ import annotations

import codecs

from etpguard.cli.errors import Failure

_GZIP = b"\x1f\x8b"


def as_utf8(name: str, body: bytes) -> bytes:
    """Without a byte order mark; the `>` of Windows PowerShell makes it UTF-16, which such a mark tells."""
    if body.startswith(_GZIP):
        raise Failure(f"{name}: compressed: give it what `gzip -dc` prints")
    if not body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.removeprefix(codecs.BOM_UTF8)
    try:
        return body.decode("utf-16").encode()
    except UnicodeDecodeError as error:
        raise Failure(f"{name}: begins as UTF-16 does, and is not: {error}") from None
