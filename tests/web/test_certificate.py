"""The certificate of the HTTP server: what is refused at the start, and reloads."""

from __future__ import annotations

import logging
import os
import shutil
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from devcluster.certificates import Authority, private_pem
from etpguard.web import Certificate, CertificateError, CertificateFiles
from tests.web.secret import MountedSecret, pair

CERTIFICATE, KEY = "--tls-cert-file", "--tls-private-key-file"


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return pair(tmp_path, "first")


def broken(files: CertificateFiles, **content: bytes) -> CertificateFiles:
    """With other content in one of the files."""
    for name, given in content.items():
        path: Path = getattr(files, name)
        path.write_bytes(given)
    return files


def encrypted_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


def rsa_key() -> bytes:
    return rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def other_key() -> bytes:
    return private_pem(ec.generate_private_key(ec.SECP256R1()))


@pytest.mark.parametrize(
    ("make", "flag", "says"),
    [
        pytest.param(lambda f: broken(f, certificate=b""), CERTIFICATE, "no certificate in PEM", id="empty"),
        pytest.param(lambda f: broken(f, certificate=b"\xff\xfe DER"), CERTIFICATE, "no certificate", id="no PEM"),
        pytest.param(
            lambda f: broken(f, certificate=f.certificate.read_bytes()[:300]), CERTIFICATE, "no cert", id="half"
        ),
        pytest.param(
            lambda f: broken(f, private_key=f.private_key.read_bytes()[:80]),
            KEY,
            "no private key",
            id="half a key",
        ),
        pytest.param(
            lambda f: broken(f, private_key=f.certificate.read_bytes()), KEY, "no private key", id="no key"
        ),
        pytest.param(lambda f: broken(f, private_key=other_key()), KEY, "not the key of", id="another key"),
        pytest.param(lambda f: broken(f, private_key=rsa_key()), KEY, "not the key of", id="another kind of key"),
        pytest.param(lambda f: broken(f, private_key=encrypted_key()), KEY, "encrypted", id="encrypted"),
        pytest.param(
            lambda f: CertificateFiles(f.certificate.with_name("no"), f.private_key),
            CERTIFICATE,
            "No such file",
            id="no file",
        ),
        pytest.param(
            lambda f: CertificateFiles(f.certificate, f.private_key.parent), KEY, "Is a directory", id="a folder"
        ),
    ],
)
def test_what_cannot_be_used_is_one_line_that_names_the_flag_and_the_file(
    files: CertificateFiles, make: Callable[[CertificateFiles], CertificateFiles], flag: str, says: str
) -> None:
    bad = make(files)
    with pytest.raises(CertificateError) as error:
        Certificate(bad)
    path = bad.certificate if flag == CERTIFICATE else bad.private_key
    assert str(error.value).startswith(f"{flag} {path}: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_tls_1_2_is_the_minimum(files: CertificateFiles) -> None:
    assert Certificate(files).context().minimum_version == ssl.TLSVersion.TLSv1_2


class Reloads:
    """Counts the calls of `reloaded`."""

    def __init__(self) -> None:
        self.results: list[bool] = []

    def certificate(self, files: CertificateFiles) -> Certificate:
        return Certificate(files, self.results.append, look_seconds=0)


def test_a_swap_of_the_secret_gives_another_context_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    secret, reloads = MountedSecret(tmp_path / "mount"), Reloads()
    secret.swap(pair(tmp_path, "first"))
    certificate = reloads.certificate(secret.files)
    before = certificate.context()
    assert certificate.context() is before
    secret.swap(pair(tmp_path, "second"))
    after = certificate.context()
    assert after is not before
    assert certificate.context() is after
    assert reloads.results == [True]
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_the_same_content_in_new_files_changes_nothing(files: CertificateFiles) -> None:
    reloads = Reloads()
    certificate = reloads.certificate(files)
    before = certificate.context()
    for path in (files.certificate, files.private_key):
        shutil.copy(path, f"{path}.new")
        os.replace(f"{path}.new", path)
    assert certificate.context() is before
    assert reloads.results == []


def test_a_half_written_pair_leaves_the_previous_one_in_use_and_is_noted_once(
    tmp_path: Path, files: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    reloads = Reloads()
    certificate = reloads.certificate(files)
    before, second = certificate.context(), pair(tmp_path, "second")
    shutil.copy(second.certificate, files.certificate)
    for _ in range(3):
        assert certificate.context() is before
    assert "not the key of the certificate" in certificate.problem
    assert reloads.results == [False]
    assert len(caplog.records) == 1
    shutil.copy(second.private_key, files.private_key)
    assert certificate.context() is not before
    assert certificate.problem == ""
    assert reloads.results == [False, True]


def test_the_return_of_the_previous_content_ends_the_problem(files: CertificateFiles) -> None:
    certificate = Reloads().certificate(files)
    key, before = files.private_key.read_bytes(), certificate.context()
    files.private_key.unlink()
    assert certificate.context() is before
    assert certificate.problem.startswith(f"{KEY} ")
    files.private_key.write_bytes(key)
    assert certificate.context() is before
    assert certificate.problem == ""


def test_the_files_are_looked_at_no_more_often_than_the_interval(files: CertificateFiles) -> None:
    certificate = Certificate(files, look_seconds=3600)
    files.certificate.unlink()
    certificate.context()
    assert certificate.problem == ""


def test_a_certificate_that_openssl_refuses_names_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "weak.pem"
    path.write_bytes(weak_pair())
    with pytest.raises(CertificateError, match=r"--tls-cert-file .*: OpenSSL refuses it: EE_KEY_TOO_SMALL"):
        Certificate(CertificateFiles(path, path))


def weak_pair() -> bytes:
    """A self-signed certificate with a key of 1,024 bits, and this key."""
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "weak")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    return certificate + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_an_authority_of_the_tests_makes_another_certificate_each_time(tmp_path: Path) -> None:
    """Otherwise the tests above would compare equal content."""
    first, second = (Authority(tmp_path).issue(name, ["localhost"])[0].read_bytes() for name in ("a", "b"))
    assert first != second
