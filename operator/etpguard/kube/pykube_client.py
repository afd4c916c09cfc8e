"""Blocking GET requests through pykube's session, made from a Connection."""

from __future__ import annotations

import http.client
import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from etpguard.kube.connection import Connection
from etpguard.kube.credentials import Credentials
from etpguard.kube.errors import BadKubeconfig, Unreachable

if TYPE_CHECKING:
    from pykube import HTTPClient


class Response(NamedTuple):
    """`retry_after` is the header in seconds, 0 without one. `media_type` is that of the body, without
    parameters."""

    status: int
    body: bytes
    retry_after: float
    media_type: str


class PykubeClient:
    """One TCP connection at most, with the credentials of the moment at which it is made. For one thread.

    `timeout` is how long the server may take to accept a connection, and how long it may be silent, in seconds.
    """

    def __init__(self, connection: Connection, timeout: tuple[float, float]) -> None:
        self._connection = connection
        self._timeout = timeout
        self._client: HTTPClient | None = None

    def get(self, path: str, parameters: Mapping[str, str], accept: str = "application/json") -> Response:
        """`accept` are the media types that the answer may have.

        Raises Unreachable where no answer came, and BadKubeconfig where there are no credentials.
        """
        import requests  # pykube, requests and urllib3 take 0.25 s to load: in the thread that needs them
        import urllib3

        server = self._connection.server
        try:
            client = self._client = self._client or new_client(self._connection)
        except OSError as error:  # no file descriptor, no temporary folder
            raise Unreachable(f"cannot prepare a connection to {server}: {error}") from None
        except (ImportError, NotImplementedError, LookupError, _pykube_error()) as e:
            raise self._provider_failed(e) from None
        try:
            with client.session.get(
                server + path,
                params=parameters,
                headers={"Accept": accept, "Accept-Encoding": "gzip"},
                stream=True,
                allow_redirects=False,
                timeout=self._timeout,
            ) as response:
                # Not `.content`, which reads by ten kilobytes.
                body: bytes = response.raw.read(decode_content=True)
        except (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as e:
            raise Unreachable(f"cannot reach {server}: {cause(e)}") from None
        except (ImportError, NotImplementedError, LookupError, _pykube_error()) as e:
            raise self._provider_failed(e) from None
        after = response.headers.get("Retry-After", "")
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Response(response.status_code, body, float(after) if after.isdigit() else 0.0, media_type)

    def close(self) -> None:
        """Close the connection. The next request opens another, with the credentials of then."""
        if self._client is not None:
            self._client.session.close()
            self._client = None

    def _provider_failed(self, error: Exception) -> BadKubeconfig:
        return BadKubeconfig(f"context {self._connection.context!r}: its auth-provider failed: {error!r}")


def new_client(connection: Connection) -> HTTPClient:
    """A pykube client with the credentials of now. Close its `session` when done.

    pykube itself handles what it alone knows (`auth-provider`), from the user's entry in the kubeconfig.
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
    if credentials.insecure:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return made


def cause(error: BaseException) -> str:
    """The innermost reason in the nested errors of requests and urllib3, in one line."""
    import urllib3

    for _ in range(10):
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate does not verify: {error.verify_message}"
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((a for a in error.args if isinstance(a, BaseException)), None) or error.__cause__
        if inner is None or inner is error:
            break
        error = inner
    if isinstance(error, (TimeoutError, urllib3.exceptions.TimeoutError)) or "timed out" in str(error):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error) or type(error).__name__
    return " ".join(text.rpartition("object at 0x")[2].partition(">: ")[2].split() or text.split())


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

    It saves 16 to 60 ms of the 250 ms that requests and pykube take to load. pykube takes the package for not
    installed.
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
