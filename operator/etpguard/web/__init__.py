"""HTTP: /metrics, /readyz and /livez, and the operator's page, for any number of clients of any kind."""

from etpguard.web.certificate import Certificate, CertificateError, CertificateFiles
from etpguard.web.listener import ListenError
from etpguard.web.live import serve_page
from etpguard.web.pages import Health, serve

__all__ = [
    "Certificate",
    "CertificateError",
    "CertificateFiles",
    "Health",
    "ListenError",
    "serve",
    "serve_page",
]
