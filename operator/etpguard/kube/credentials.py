"""Credentials of one API server as plain values."""

from __future__ import annotations

import os

from msgspec import Struct


class Credentials(Struct, frozen=True):
    """All that a client needs. An empty string means none; without `ca_file` the client trusts the CAs of the
    system."""

    server: str
    ca_file: str = ""
    insecure: bool = False
    tls_server_name: str = ""
    token: str = ""
    username: str = ""
    password: str = ""
    certificate_file: str = ""
    key_file: str = ""
    proxy: str = ""
    impersonation: tuple[tuple[str, str], ...] = ()
    """Headers. A name may occur several times."""

    def tls_fingerprint(self) -> tuple[object, ...]:
        """What a TLS context is made from. A client whose context has another fingerprint must make a new one.

        Files count by inode, size and time of modification: a rotation replaces or rewrites them. A file that
        cannot be read has a fingerprint as well.
        """
        files = (self.ca_file, self.certificate_file, self.key_file)
        return (self.insecure, self.tls_server_name, *((file, file_state(file)) for file in files))


def file_state(file: str) -> tuple[int, int, int] | None:
    """What changes when a file is replaced or rewritten; None for no file."""
    try:
        found = os.stat(file) if file else None
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if found else None
