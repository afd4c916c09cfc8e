"""Server, CA and credentials, resolved in one place for all three clients.

What may change while the process runs is read again for each request: the token of a service account, a
`tokenFile`, and the credential of a plugin after it has expired.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from etpguard.kube import exec_plugin, kubeconfig
from etpguard.kube.credential_files import CredentialFiles
from etpguard.kube.credentials import Credentials, file_state
from etpguard.kube.errors import BadKubeconfig
from etpguard.kube.kubeconfig import Chosen, Cluster, User


class Impersonation(NamedTuple):
    """The user and the groups that requests impersonate; "" for the user of the credentials. Only reads
    impersonate; the client for writes does not."""

    user: str = ""
    groups: tuple[str, ...] = ()

    def headers(self) -> tuple[tuple[str, str], ...]:
        user = [("Impersonate-User", self.user)] if self.user else []
        return (*user, *(("Impersonate-Group", group) for group in self.groups))


NOBODY = Impersonation()

_NOT_IN_A_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""Go 1.25 net/http/transport.go roundTrip (httpguts.ValidHeaderFieldValue): kubectl refuses such a token too."""

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Connection:
    """Where one API server is, and the credentials for it. Thread-safe.

    The source is the given kubeconfig, else `$KUBECONFIG`, else `~/.kube/config`, else the service account of the
    pod: the order of kubectl. `wall`, in seconds since the epoch, decides when a credential has expired. Raises
    BadKubeconfig.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        context: str | None = None,
        *,
        impersonate: Impersonation = NOBODY,
        service_account: Path = SERVICE_ACCOUNT,
        wall: Callable[[], float] = time.time,
    ) -> None:
        in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ and (service_account / "token").exists()
        named = bool(path or context or os.environ.get("KUBECONFIG"))
        self._paths = kubeconfig.paths(path)
        chosen = kubeconfig.load(self._paths, context, missing_is_error=named or not in_cluster)
        self.chosen = chosen or _in_cluster(service_account)
        """The context of the kubeconfig, resolved."""
        self._folder = CredentialFiles()
        weakref.finalize(self, self._folder.remove)
        self._wall = wall
        self._impersonation = impersonate.headers()
        self._loaded = self._on_disk()
        self._issued: exec_plugin.Issued | None = None
        self._lock = threading.Lock()
        self._proxy = _proxy(self.chosen.cluster)
        self.credentials()

    @property
    def context(self) -> str:
        return self.chosen.name

    @property
    def server(self) -> str:
        return self.chosen.cluster.server.rstrip("/")

    @property
    def namespace(self) -> str:
        """The namespace of the context: the default of commands."""
        return self.chosen.namespace

    def forget(self) -> None:
        """The server answered 401: run the credential plugin again at the next call."""
        with self._lock:
            self._issued = None

    def credentials(self) -> Credentials:
        """The present credentials. Raises BadKubeconfig if a file or a plugin fails."""
        with self._lock:
            self._reload()
            cluster, user = self.chosen.cluster, self.chosen.user
            issued = self._plugin(user)
            authority = self._data("certificate-authority-data", cluster.certificate_authority_data)
            certificate = self._data("client-certificate-data", user.client_certificate_data)
            key = self._data("client-key-data", user.client_key_data)
            return Credentials(
                server=self.server,
                ca_file=self._file("certificate-authority", cluster.certificate_authority, authority),
                insecure=bool(cluster.insecure_skip_tls_verify),
                tls_server_name=cluster.tls_server_name or "",
                token=self._sendable(_token(user) or issued.token or _provided(user)),
                username=user.username or "",
                password=user.password or "",
                certificate_file=self._file(
                    "client-certificate", user.client_certificate, certificate or issued.certificate
                ),
                key_file=self._file("client-key", user.client_key, key or issued.key),
                proxy=self._proxy,
                impersonation=self._impersonation,
            )

    def _reload(self) -> None:
        """Read the kubeconfig again if it has changed: its certificates are rotated too.

        The context and the server stay those of the start, even if the current context has changed. A kubeconfig
        that cannot be used changes nothing; it may be half-written.
        """
        on_disk = self._on_disk()
        if on_disk == self._loaded:
            return
        try:
            found = kubeconfig.load(self._paths, self.chosen.name, missing_is_error=True)
        except BadKubeconfig:
            return
        self._loaded = on_disk
        if found is not None and found.cluster.server == self.chosen.cluster.server:
            if found.user.exec != self.chosen.user.exec:
                self._issued = None
            self.chosen = found

    def _on_disk(self) -> tuple[object, ...]:
        return tuple(file_state(str(path)) for path in self.chosen.files)

    def _plugin(self, user: User) -> exec_plugin.Issued:
        if user.exec is None:
            return exec_plugin.Issued()
        if self._issued is None or self._issued.expired(self._wall()):
            self._issued = exec_plugin.run(user.exec, self.chosen.cluster)
        return self._issued

    def _sendable(self, token: str) -> str:
        """Clients name the whole value of a header that they refuse; the error here does not."""
        if _NOT_IN_A_HEADER.search(token):
            raise BadKubeconfig(
                f"kubeconfig context {self.context!r}: the token contains a line feed or another control character"
            )
        return token

    def _data(self, what: str, encoded: str | None) -> bytes:
        try:
            return base64.b64decode(encoded or "", validate=True)
        except (binascii.Error, ValueError):
            raise BadKubeconfig(f"kubeconfig context {self.context!r}: {what} is not base64") from None

    def _file(self, what: str, path: str | None, content: bytes) -> str:
        """The path of a file with `content`, else `path`, else ""."""
        if content:
            try:
                return self._folder.keep(what, content)
            except OSError as error:  # a full disk, no file descriptor; not the path, which is different each time
                raise BadKubeconfig(f"{what} cannot be stored in a file: {error.strerror or error}") from None
        if path and not os.path.isfile(path):
            raise BadKubeconfig(f"kubeconfig context {self.context!r}: {what}: no file {path}")
        return path or ""


def _token(user: User) -> str:
    """The file overrides the field, as in client-go. It is read each time, because its content is rotated."""
    if not user.token_file:
        return user.token or ""
    try:
        return Path(user.token_file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadKubeconfig(f"tokenFile {user.token_file}: {error}") from None


def _provided(user: User) -> str:
    """The token that an `auth-provider` last refreshed. Only the client of pykube refreshes it."""
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
    """The proxy of the cluster, else the one of the environment, unless NO_PROXY excludes the server."""
    if cluster.proxy_url:
        return cluster.proxy_url
    if not any(name in os.environ for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")):
        return ""
    from requests.utils import get_environ_proxies, select_proxy

    return select_proxy(cluster.server, get_environ_proxies(cluster.server)) or ""
