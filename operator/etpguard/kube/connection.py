"""Server, CA and credentials, resolved in one place and handed to all three clients.

What may change while a process runs is read again for each client: the token of a service account, a
`tokenFile`, and what a credential plugin gave, once that expires.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etpguard.kube import exec_plugin, kubeconfig
from etpguard.kube.credential_files import CredentialFiles
from etpguard.kube.errors import BadKubeconfig
from etpguard.kube.kubeconfig import Chosen, Cluster, User

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient
    from pykube import HTTPClient

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Credentials:
    """All that a client needs, as plain values; "" is none. `ca_file` "" means the system's trust; `expires`
    is seconds since the epoch, None if unknown."""

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
    expires: float | None = None


class Connection:
    """A way to one API server. Thread-safe.

    Made from the kubeconfig given, from `$KUBECONFIG` or `~/.kube/config`, or, where there is none of these,
    from the service account of the pod, in the order of kubectl. Raises BadKubeconfig.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        context: str | None = None,
        *,
        service_account: Path = SERVICE_ACCOUNT,
    ) -> None:
        in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ and (service_account / "token").exists()
        named = bool(path or context or os.environ.get("KUBECONFIG"))
        chosen = kubeconfig.load(kubeconfig.paths(path), context, missing_is_error=named or not in_cluster)
        self._chosen = chosen or _in_cluster(service_account)
        self._folder = CredentialFiles()
        weakref.finalize(self, self._folder.remove)
        self._issued: exec_plugin.Issued | None = None
        self._lock = threading.Lock()
        self._proxy = _proxy(self._chosen.cluster)
        self.credentials()

    @property
    def context(self) -> str:
        return self._chosen.name

    @property
    def server(self) -> str:
        return self._chosen.cluster.server.rstrip("/")

    @property
    def namespace(self) -> str:
        """The context's namespace, for a command that is given none."""
        return self._chosen.namespace

    def forget(self) -> None:
        """Ask a credential plugin anew next time: the server answered 401."""
        with self._lock:
            self._issued = None

    def credentials(self) -> Credentials:
        """As they are now. Raises BadKubeconfig where a file or plugin of theirs fails."""
        cluster, user = self._chosen.cluster, self._chosen.user
        with self._lock:
            issued = self._plugin(user)
            authority = self._data("certificate-authority-data", cluster.certificate_authority_data)
            certificate = self._data("client-certificate-data", user.client_certificate_data)
            key = self._data("client-key-data", user.client_key_data)
            return Credentials(
                server=self.server,
                ca_file=self._file("certificate-authority", cluster.certificate_authority, authority),
                insecure=bool(cluster.insecure_skip_tls_verify),
                tls_server_name=cluster.tls_server_name or "",
                token=_token(user) or issued.token or _provided(user),
                username=user.username or "",
                password=user.password or "",
                certificate_file=self._file(
                    "client-certificate", user.client_certificate, certificate or issued.certificate
                ),
                key_file=self._file("client-key", user.client_key, key or issued.key),
                proxy=self._proxy,
                expires=issued.expires,
            )

    def pykube(self) -> HTTPClient:
        """A new pykube client with the credentials of now. Close its `session` when done."""
        from etpguard.kube import pykube_client

        return pykube_client.client(self._chosen, self.credentials())

    def aio(self, credentials: Callable[[], Credentials] | None = None) -> ApiClient:
        """A new client of the `kubernetes` package, for asyncio; close it when done. It may be made in any thread.

        Its token is looked up again for every request that is given `auth_settings=["BearerToken"]`, as all
        generated calls are: on the loop, for as long as a credential plugin takes, unless `credentials` gives
        what someone looked up elsewhere.
        """
        from kubernetes.aio import client

        from etpguard.kube.exchange import discard_on_close  # imports asyncio, which a command does without

        look_up = credentials or self.credentials
        now = look_up()
        configuration: Any = client.Configuration(
            host=now.server,
            ssl_ca_cert=now.ca_file or None,
            verify_ssl=not now.insecure,
            cert_file=now.certificate_file or None,
            key_file=now.key_file or None,
            tls_server_name=now.tls_server_name or None,
        )
        # Set afterwards: left out above, it would be looked up in the environment.
        configuration.proxy = now.proxy or None
        configuration.disable_strict_ssl_verification = True

        def renew(target: Any) -> None:
            fresh = look_up()
            if fresh.token:
                target.api_key["BearerToken"] = f"Bearer {fresh.token}"
            elif fresh.username:
                pair = f"{fresh.username}:{fresh.password}".encode()
                target.api_key["BearerToken"] = f"Basic {base64.b64encode(pair).decode()}"

        renew(configuration)
        configuration.refresh_api_key_hook = renew
        made: ApiClient = client.ApiClient(configuration)
        discard_on_close(made)
        return made

    def _plugin(self, user: User) -> exec_plugin.Issued:
        if user.exec is None:
            return exec_plugin.Issued()
        if self._issued is None or self._issued.expired(time.time()):
            self._issued = exec_plugin.run(user.exec, self._chosen.cluster)
        return self._issued

    def _data(self, what: str, encoded: str | None) -> bytes:
        try:
            return base64.b64decode(encoded or "", validate=True)
        except (binascii.Error, ValueError):
            raise BadKubeconfig(f"kubeconfig context {self.context!r}: {what} is not base64") from None

    def _file(self, what: str, path: str | None, content: bytes) -> str:
        """The file named, or one with that content in a folder for us alone, or ""."""
        if content:
            return self._folder.keep(what, content)
        if path and not os.path.isfile(path):
            raise BadKubeconfig(f"kubeconfig context {self.context!r}: {what}: no file {path}")
        return path or ""


def _token(user: User) -> str:
    """The file wins over the field, as in client-go, and is read anew: its content is rotated."""
    if not user.token_file:
        return user.token or ""
    try:
        return Path(user.token_file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadKubeconfig(f"tokenFile {user.token_file}: {error}") from None


def _provided(user: User) -> str:
    """What the last refresh of an `auth-provider` left; only pykube's client refreshes it."""
    held = (user.auth_provider or {}).get("config") or {}
    return str(held.get("id-token") or held.get("access-token") or "")


def _in_cluster(folder: Path) -> Chosen:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT") or "443"
    namespace = folder / "namespace"
    return Chosen(
        name="in-cluster",
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
        cluster=Cluster(
            server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
            certificate_authority=str(folder / "ca.crt"),
        ),
        user=User(token_file=str(folder / "token")),
        document={},
        files=(),
    )


def _proxy(cluster: Cluster) -> str:
    """The cluster's own, or that of the environment, as NO_PROXY allows."""
    if cluster.proxy_url:
        return cluster.proxy_url
    if not any(name in os.environ for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")):
        return ""
    from requests.utils import get_environ_proxies, select_proxy

    return select_proxy(cluster.server, get_environ_proxies(cluster.server)) or ""
