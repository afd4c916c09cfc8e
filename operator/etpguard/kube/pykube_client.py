"""A pykube client made from resolved credentials."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from etpguard.kube.kubeconfig import Chosen

if TYPE_CHECKING:
    from pykube import HTTPClient

    from etpguard.kube.connection import Credentials


def client(chosen: Chosen, credentials: Credentials) -> HTTPClient:
    """A client of its own connections. What pykube alone knows (`auth-provider`) it does itself, from the
    user's entry as it stands."""
    provider = chosen.user.auth_provider
    with _without_oauth(needed=provider is not None):
        import pykube
        import pykube.http

    class Adapter(pykube.http.KubernetesHTTPAdapter):  # type: ignore[misc]
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, ssl_context=_tls(credentials.insecure), **kwargs)

    if provider is not None:
        config = pykube.KubeConfig(chosen.document, current_context=chosen.name)
        if len(chosen.files) == 1:
            config.filepath = chosen.files[0]  # a refreshed token is written back
    else:
        config = pykube.KubeConfig(_document(credentials), current_context="it")
    made: HTTPClient = pykube.HTTPClient(config, verify=not credentials.insecure, http_adapter=Adapter(config))
    made.session.trust_env = False  # else a ~/.netrc or REQUESTS_CA_BUNDLE would outrank the kubeconfig
    if credentials.proxy:
        made.session.proxies = {"http": credentials.proxy, "https": credentials.proxy}
    if credentials.insecure:
        import urllib3

        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return made


def _document(credentials: Credentials) -> dict[str, Any]:
    cluster: dict[str, Any] = {"server": credentials.server}
    if credentials.insecure:
        cluster["insecure-skip-tls-verify"] = True
    elif authority := credentials.ca_file or ssl.get_default_verify_paths().cafile:
        cluster["certificate-authority"] = authority
    if credentials.tls_server_name:
        cluster["tls-server-name"] = credentials.tls_server_name
    user: dict[str, Any] = {}
    if credentials.token:
        user["token"] = credentials.token
    elif credentials.username:
        user |= {"username": credentials.username, "password": credentials.password}
    if credentials.certificate_file:
        user |= {"client-certificate": credentials.certificate_file, "client-key": credentials.key_file}
    return {
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "it", "user": user}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }


def _tls(insecure: bool) -> ssl.SSLContext:
    """As Go verifies: without the strictness of Python 3.13, which refuses the CAs of many clusters."""
    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if insecure:
        context.check_hostname = False
    return context


@contextmanager
def _without_oauth(*, needed: bool) -> Iterator[None]:
    """Have pykube not import requests_oauthlib, a third of its import time, unless the user's entry needs it:
    pykube takes it for not installed."""
    name = "requests_oauthlib"
    if needed or name in sys.modules or "pykube" in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(name, None)
