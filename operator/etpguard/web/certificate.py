"""The TLS certificate of the HTTP server, loaded again when its files change."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from etpguard.objects.log_fields import action_fields

logger = logging.getLogger(__name__)

CERTIFICATE_FLAG = "--tls-cert-file"
KEY_FLAG = "--tls-private-key-file"
LOOK_SECONDS = 10.0
"""Seconds between two looks at the files. The kubelet takes up to a minute to update a mounted Secret."""

_MISMATCHES = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})
"""The last error: the certificate is for a key of another type, such as RSA instead of ECDSA."""


class CertificateError(Exception):
    """The certificate or its private key cannot be used: one line that names the flag and the file."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files: the certificate, followed by those of its intermediate authorities, and its private key."""

    certificate: Path
    private_key: Path


class Certificate:
    """Gives each connection the newest usable pair of certificate and private key.

    The files are compared by their content, so it does not matter how they are replaced: the kubelet swaps a
    symbolic link, other tools write in place. A pair that cannot be used, such as one that is half written, is
    logged and counted once, and the previous one stays in use until the files are good again.

    The files are read on the event loop. A mounted Secret is in memory, and two small files are read every
    `look_seconds` at most.
    """

    def __init__(
        self,
        files: CertificateFiles,
        reloaded: Callable[[bool], None] = lambda succeeded: None,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """`reloaded` is called after each reload, with whether it succeeded. Raises CertificateError."""
        self._files = files
        self._reloaded = reloaded
        self._look_seconds = look_seconds
        self._content, self._context = _load(files)
        self._look_at = time.monotonic() + look_seconds
        self.problem = ""
        """Why the present files are not used, in one line; "" if they are used."""

    def context(self) -> ssl.SSLContext:
        """The TLS context for the handshake of a new connection."""
        if time.monotonic() >= self._look_at:
            self._look()
            self._look_at = time.monotonic() + self._look_seconds
        return self._context

    def _look(self) -> None:
        try:
            content = _content(self._files)
            if content == self._content:
                self.problem = ""
                return
            self._content, self._context = _load(self._files)
        except CertificateError as error:
            self._note(str(error))
            return
        self.problem = ""
        self._reloaded(True)
        logger.info("the TLS certificate has been reloaded", extra=action_fields("reload certificate"))

    def _note(self, problem: str) -> None:
        """Log and count each problem once."""
        if problem != self.problem:
            self._reloaded(False)
            logger.warning(
                "The TLS certificate cannot be reloaded, and the previous one stays in use: %s",
                problem,
                extra=action_fields("reload certificate"),
            )
        self.problem = problem


def _load(files: CertificateFiles) -> tuple[tuple[bytes, bytes], ssl.SSLContext]:
    """The content of the files and a context with them. If the files change in between, the context has the newer
    content, and the next comparison finds a difference once more. Raises CertificateError."""
    content = _content(files)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(files.certificate, files.private_key, _no_password)
    except (OSError, ValueError) as error:
        raise CertificateError(_fault(files, content[0], error)) from None
    return content, context


def _no_password() -> str:
    """Without this function OpenSSL would ask on the terminal."""
    raise ValueError("the private key is encrypted")


def _content(files: CertificateFiles) -> tuple[bytes, bytes]:
    """Raises CertificateError."""
    return _read(CERTIFICATE_FLAG, files.certificate), _read(KEY_FLAG, files.private_key)


def _read(flag: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{flag} {path}: {error.strerror}") from None


def _fault(files: CertificateFiles, certificate: bytes, error: Exception) -> str:
    """One line about what OpenSSL refuses. It does not say which of the two files it means."""
    reason = getattr(error, "reason", None)
    if reason in _MISMATCHES:
        return f"{KEY_FLAG} {files.private_key}: this is not the key of the certificate in {files.certificate}"
    if not _has_certificate(certificate):
        return f"{CERTIFICATE_FLAG} {files.certificate}: no certificate in PEM format"
    if isinstance(error, ssl.SSLError) and reason:
        return f"{CERTIFICATE_FLAG} {files.certificate}: OpenSSL refuses it: {reason}"
    if isinstance(error, ssl.SSLError):
        return f"{KEY_FLAG} {files.private_key}: no private key in PEM format"
    if isinstance(error, OSError):  # the file has disappeared since it was read
        return f"{CERTIFICATE_FLAG} {files.certificate}, {KEY_FLAG} {files.private_key}: {error.strerror}"
    return f"{KEY_FLAG} {files.private_key}: {error}"


def _has_certificate(content: bytes) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=content.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError):
        return False
    return True
