"""The TLS settings of a connection to an API server."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator

from etpguard.kube.credentials import Credentials


def tls_context(credentials: Credentials) -> ssl.SSLContext:
    """Raises OSError for files that cannot be read or are no certificates."""
    context = ssl.create_default_context(cafile=credentials.ca_file or None)
    if credentials.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if credentials.certificate_file:
        context.load_cert_chain(credentials.certificate_file, credentials.key_file or None)
    # Go accepts a CA without the key usage extension, strict checks of Python do not.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return context


@contextlib.contextmanager
def without_system_roots() -> Iterator[None]:
    """In the block, TLS contexts that this thread makes get no certificates of the system: they trust nobody.

    To import aiohttp makes two contexts with these certificates, 25 ms of CPU time each. The operator never uses
    them.
    """
    thread, load = threading.get_ident(), ssl.SSLContext.set_default_verify_paths

    def load_in_other_threads(context: ssl.SSLContext) -> None:
        if threading.get_ident() != thread:
            load(context)

    ssl.SSLContext.set_default_verify_paths = load_in_other_threads  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        ssl.SSLContext.set_default_verify_paths = load  # type: ignore[method-assign]
