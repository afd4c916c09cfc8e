"""Blocking GET requests through the session of pykube, for users and proxies that only pykube and requests can
handle."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from etpguard.kube.connection import Connection
from etpguard.kube.credentials import Credentials
from etpguard.kube.direct_client import Headers
from etpguard.kube.errors import BadKubeconfig

if TYPE_CHECKING:
    from pykube import HTTPClient


class PykubeClient:
    """At most one TCP connection. `timeout` is as in ReadClient."""

    def __init__(self, connection: Connection, timeout: tuple[float, float]) -> None:
        """Raises BadKubeconfig."""
        self._connection = connection
        self._timeout = timeout
        try:
            self._client = new_client(connection)
        except (ImportError, NotImplementedError, LookupError, _pykube_error()) as error:
            raise self._provider_failed(error) from None

    def get(self, target: str, headers: Mapping[str, str]) -> tuple[int, bytes, Headers]:
        """Raises OSError or http.client.HTTPException without an answer, and BadKubeconfig."""
        import urllib3

        try:
            with self._client.session.get(
                self._connection.server + target,
                headers=headers,
                stream=True,
                allow_redirects=False,
                timeout=self._timeout,
            ) as response:
                # Not `.content`, which reads by ten kilobytes.
                body: bytes = response.raw.read(decode_content=True)
        except urllib3.exceptions.HTTPError as error:
            raise OSError(str(error)) from error
        except (ImportError, NotImplementedError, LookupError, _pykube_error()) as error:
            raise self._provider_failed(error) from None
        return response.status_code, body, response.headers

    def close(self) -> None:
        self._client.session.close()

    def _provider_failed(self, error: Exception) -> BadKubeconfig:
        return BadKubeconfig(f"context {self._connection.context!r}: its auth-provider failed: {error!r}")


def new_client(connection: Connection) -> HTTPClient:
    """A pykube client with the present credentials. Close its `session` when done.

    pykube handles an `auth-provider` itself, from the entry of the user in the kubeconfig.
    """
    chosen, credentials = connection.chosen, connection.credentials()
    provider = chosen.user.auth_provider
    with _without_oauth(needed=provider is not None):
        import pykube
        import pykube.http
    import urllib3

    class Adapter(pykube.http.KubernetesHTTPAdapter):  # type: ignore[misc]
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, ssl_context=_tls(credentials.insecure), **kwargs)

    if provider is not None:
        config = pykube.KubeConfig(chosen.document, current_context=chosen.name)
        if len(chosen.files) == 1:
            config.filepath = chosen.files[0]  # pykube writes a refreshed token back
    else:
        config = pykube.KubeConfig(_document(credentials), current_context="it")
    made: HTTPClient = pykube.HTTPClient(config, verify=not credentials.insecure, http_adapter=Adapter(config))
    made.session.trust_env = False  # else a ~/.netrc or REQUESTS_CA_BUNDLE would outrank the kubeconfig
    if credentials.proxy:
        made.session.proxies = {"http": credentials.proxy, "https": credentials.proxy}
    made.session.headers.update(_single(credentials.impersonation))
    if credentials.insecure:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return made


def _single(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Raises BadKubeconfig for two headers of one name, which requests cannot send."""
    found = dict(headers)
    if len(found) < len(headers):
        raise BadKubeconfig("several --as-group are not possible with a proxy or an auth-provider")
    return found


def _document(credentials: Credentials) -> dict[str, Any]:
    """A kubeconfig for pykube that holds these credentials."""
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
    """Verify as Go does. The strict checks of Python 3.13 refuse the CAs of many clusters."""
    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if insecure:
        context.check_hostname = False
    return context


def _pykube_error() -> type[Exception]:
    from pykube.exceptions import PyKubeError

    error: type[Exception] = PyKubeError
    return error


@contextmanager
def _without_oauth(*, needed: bool) -> Iterator[None]:
    """Keep pykube from importing requests_oauthlib, which only an `auth-provider` needs.

    This saves 16 to 60 ms of the 250 ms that requests and pykube take to load. To pykube it looks as if the
    package were not installed.
    """
    name = "requests_oauthlib"
    if needed or name in sys.modules or "pykube" in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(name, None)
