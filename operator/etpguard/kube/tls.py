"""The TLS settings of a connection to an API server."""

from __future__ import annotations

import ssl

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
