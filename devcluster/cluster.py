"""The cluster as tests see it."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from devcluster import audit, binaries, kubeconfig
from devcluster.client import SECONDS, Response
from devcluster.commands import DEFAULT_CONTROLLERS, GARBAGE_COLLECTION_PERCENT
from devcluster.control_plane import ControlPlane
from devcluster.errors import ApiError, KubectlError, StartError

_PORT_TAKEN = "address already in use"
_ATTEMPTS = 3
_PATCH_TYPE = "application/merge-patch+json"


class Cluster:
    """A running control plane; made by ``start()``. Its methods may be called from any thread."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self._numbers = itertools.count(1)
        self.server = control_plane.server
        """``https://ADDRESS:PORT``."""
        self.garbage_collection_percent = control_plane.garbage_collection_percent
        self.directory = control_plane.directory
        """The temporary folder, with a log file per program; gone after the stop."""
        self.kubeconfig = control_plane.kubeconfigs["admin"]
        """Credentials of ``admin`` in ``system:masters``, a bearer token: it also works through ``HttpProxy``."""
        self.ca = control_plane.authority.certificate
        """The CA certificate, PEM."""
        self.tokens: Mapping[str, str] = control_plane.tokens
        """Bearer tokens of ``admin``, ``kube-controller-manager``, ``kube-scheduler`` and ``kube-proxy``; the
        last three are the users that Kubernetes' own RBAC rules are bound to."""

    @property
    def pids(self) -> dict[str, int]:
        """The running programs by name."""
        return self._control_plane.pids

    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True, timeout: float = 60) -> str:  # noqa: A002
        """Runs the real kubectl as admin and gives its standard output.

        Raises ``KubectlError`` on a non-zero exit code; with ``check=False`` the output is returned all the
        same.
        """
        run = subprocess.run(
            [binaries.path("kubectl"), *arguments],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={
                "PATH": os.defpath,
                "HOME": str(self.directory),
                "KUBECONFIG": str(self.kubeconfig),
                "KUBECACHEDIR": str(self.directory / "kubectl-cache"),
                "GOGC": str(self.garbage_collection_percent),
            },
        )
        if check and run.returncode != 0:
            raise KubectlError(arguments, run.returncode, run.stdout, run.stderr)
        return run.stdout

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str | None = None,
        token: str | None = None,
        timeout: float = SECONDS,
    ) -> Response:
        """One request over a kept connection, as admin unless a token is given; never raises for a status.

        ``body``: bytes as they are, else sent as JSON. The content type is JSON, for PATCH a JSON merge
        patch. Raises ``OSError`` when the server does not answer within ``timeout`` seconds.
        """
        headers = {"Authorization": f"Bearer {token or self.tokens['admin']}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type or (_PATCH_TYPE if method == "PATCH" else "application/json")
        return self._control_plane.client.request(method, path, body, headers, timeout)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str | None = None,
        timeout: float = SECONDS,
    ) -> dict[str, Any]:
        """As ``request``, but gives the decoded object and raises ``ApiError`` for a status that is not 2xx."""
        response = self.request(method, path, body, content_type=content_type, timeout=timeout)
        if not response.ok:
            raise ApiError(f"{method} {path}: {response.status}: {response.body.decode(errors='replace').strip()}")
        answer: dict[str, Any] = response.json()
        return answer

    def token(self, namespace: str, service_account: str, seconds: int = 3600) -> str:
        """A service-account token by the TokenRequest API, which gives 600 s at least."""
        answer = self.call(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": seconds},
            },
        )
        return str(answer["status"]["token"])

    def sign_token(self, namespace: str, service_account: str, seconds: float) -> str:
        """A service-account token, signed with the cluster's key, that the API server takes for ``seconds``
        only.

        Zero or less: one that has expired. The server remembers a good token for 10 s, so that one in use
        right before its end is taken up to 10 s longer.
        """
        account = self.call("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}")
        return self._control_plane.signer.sign(
            namespace=namespace, name=service_account, uid=account["metadata"]["uid"], seconds=seconds
        )

    def kubeconfig_for(
        self,
        token: str | None = None,
        *,
        namespace: str | None = None,
        service_account: str | None = None,
        server: str | None = None,
    ) -> Path:
        """A new kubeconfig with that token, or with one for that service account, else with admin's.

        ``server`` sends its user elsewhere, such as to a proxy; ``tls-server-name`` is set when the
        certificate of the API server does not name that host (``extra_sans`` of ``start`` adds names).
        """
        if token is None and namespace is not None and service_account is not None:
            token = self.token(namespace, service_account)
        elif (namespace is None) != (service_account is None) or (token is not None and namespace is not None):
            raise ValueError("kubeconfig_for: give a token, or a namespace and a service account")
        host = urlsplit(server).hostname if server is not None else None
        return kubeconfig.write(
            self.directory / f"kubeconfig-{next(self._numbers)}",
            server=server or self.server,
            authority=self.ca,
            token=token or self.tokens["admin"],
            tls_server_name=None
            if host is None or host in self._control_plane.hosts
            else "kubernetes.default.svc",
        )

    def certificate(self, name: str, hosts: Sequence[str]) -> tuple[Path, Path]:
        """A certificate from the cluster's CA for a server that a test runs: its path and its key's."""
        return self._control_plane.authority.issue(f"{name}-{next(self._numbers)}", hosts)

    def audit(self, since: int = 0) -> Iterator[dict[str, Any]]:
        """The audit events so far (audit.k8s.io/v1 ``Event``), from a position given by ``audit_position()``
        on.

        The event of a request is there once its response has been read to the end. A watch has two: stage
        ``ResponseStarted`` at once, ``ResponseComplete`` when it ends.
        """
        return audit.read(self._control_plane.audit_log, since)

    def audit_position(self) -> int:
        """The position behind the last complete event in the audit log."""
        return audit.end(self._control_plane.audit_log)

    def compact_etcd(self, *, restart_apiserver: bool = True) -> int:
        """Forgets all history, so that watches and continue tokens from before get 410 (Expired); gives the
        revision.

        The API server's own cache still serves the last events of each kind, and snapshots of lists for up to
        15 s, so that it is restarted by default.
        """
        revision = self._control_plane.etcd.compact()
        if restart_apiserver:
            self.restart_apiserver()
        return revision

    def backup_etcd(self) -> Path:
        """A copy of all present data, for ``restore_etcd``. No client notices."""
        backup = self.directory / f"etcd-backup-{next(self._numbers)}"
        self._control_plane.backup_etcd(backup)
        return backup

    def restore_etcd(self, backup: Path) -> None:
        """As after a disaster: all programs are stopped, the data is put back, and they start on the same ports.

        ResourceVersions continue from those of the backup, and no client is informed. Returns when the API server
        is ready.
        """
        self._control_plane.restore_etcd(backup)

    def stop_apiserver(self, grace: float = 5.0) -> None:
        """SIGTERM, then SIGKILL after ``grace`` seconds (0: a crash). Returns when the process has ended."""
        self._control_plane.stop_apiserver(grace)

    def start_apiserver(self) -> None:
        """Starts it again on the same port; returns when it is ready."""
        self._control_plane.start_apiserver()

    def restart_apiserver(self, grace: float = 5.0) -> None:
        self.stop_apiserver(grace)
        self.start_apiserver()

    def log(self, program: str) -> str:
        """What a program has logged so far."""
        return self._control_plane.process(program).log.read_text(errors="replace")

    def send_signal(self, program: str, number: signal.Signals) -> None:
        """For faults: SIGSTOP freezes a program (connections stay open, nothing is answered), SIGCONT thaws it."""
        self._control_plane.process(program).send_signal(number)


@contextmanager
def start(
    *,
    scheduler: bool = False,
    controllers: Sequence[str] = DEFAULT_CONTROLLERS,
    audit_level: audit.Level = "Metadata",
    audit_bodies: bool = False,
    apiserver_flags: Sequence[str] = (),
    controller_flags: Sequence[str] = (),
    bind_address: str = "127.0.0.1",
    extra_sans: Sequence[str] = (),
    garbage_collection_percent: int = GARBAGE_COLLECTION_PERCENT,
) -> Iterator[Cluster]:
    """A control plane for the length of a ``with`` block.

    controllers: of kube-controller-manager, by their names with dashes (``deployment-controller``); without any
        it does not run. Without ``node-lifecycle-controller`` a Node keeps the status that it was given.
    audit_level: for all requests; audit_bodies: writes at RequestResponse.
    apiserver_flags, controller_flags: added at the end, so that a flag given twice takes the value from here.
    bind_address: where the API server listens; ``0.0.0.0`` for all addresses, with ``server`` on loopback.
    extra_sans: further host names and addresses of its certificate.
    garbage_collection_percent: Go's GOGC of the programs; 100, Go's own, for benchmarks.

    Returns when ``/readyz`` says ok; controllers may need another second. Everything is ended and removed on
    leaving, also by an exception, Ctrl-C or SIGTERM (which is turned into ``SystemExit`` meanwhile, in the
    main thread), and by the kernel when this process is killed. Raises ``MissingToolError`` when a program is
    missing and cannot be built, ``StartError`` when one does not start.
    """
    with _sigterm_as_exit():
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                control_plane = ControlPlane(
                    scheduler=scheduler,
                    controllers=controllers,
                    audit_level=audit_level,
                    audit_bodies=audit_bodies,
                    apiserver_flags=apiserver_flags,
                    controller_flags=controller_flags,
                    bind_address=bind_address,
                    extra_sans=extra_sans,
                    garbage_collection_percent=garbage_collection_percent,
                )
                break
            except StartError as error:  # a port found free was taken by another process before it was used
                if _PORT_TAKEN not in str(error) or attempt == _ATTEMPTS:
                    raise
        try:
            yield Cluster(control_plane)
        finally:
            control_plane.stop()


@contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """Has SIGTERM raise ``SystemExit``, unless the program handles it itself or this is not the main thread."""
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
