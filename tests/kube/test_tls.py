"""TLS contexts without the certificates of the system."""

from __future__ import annotations

import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devcluster.certificates import Authority
from etpguard.kube.tls import without_system_roots


@pytest.fixture(autouse=True)
def _one_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine with one certificate of the system."""
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path).certificate))


def _roots() -> int:
    return len(ssl.create_default_context().get_ca_certs())


def test_only_this_thread_and_only_in_the_block() -> None:
    with ThreadPoolExecutor(1) as other:
        with without_system_roots():
            assert (_roots(), other.submit(_roots).result()) == (0, 1)
        assert (_roots(), other.submit(_roots).result()) == (1, 1)


def test_the_operator_imports_aiohttp_without_them() -> None:
    """25 ms of CPU time for each context. If aiohttp renames them, see whether it still makes them."""
    script = (
        "from etpguard.kube.tls import without_system_roots\n"
        "with without_system_roots():\n"
        "    from etpguard.app import process\n"
        "from aiohttp import connector\n"
        "made = (connector._SSL_CONTEXT_VERIFIED, connector._SSL_CONTEXT_UNVERIFIED)\n"
        "print(*(context.cert_store_stats()['x509'] for context in made))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("0 0\n", "")
