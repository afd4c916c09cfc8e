"""Starts and stops the programs of a control plane."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from devcluster import audit, binaries, commands, first_data, kubeconfig, ports
from devcluster.certificates import Authority
from devcluster.client import Client
from devcluster.commands import Pair
from devcluster.errors import StartError
from devcluster.etcd import Etcd
from devcluster.processes import Process, TemporaryFolder
from devcluster.tokens import TokenSigner

START_SECONDS = 60.0

# Static tokens, user and groups as Kubernetes' own RBAC bindings name them.
_USERS: Mapping[str, tuple[str, str]] = {
    "admin": ("admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kube-proxy": ("system:kube-proxy", ""),
}


class ControlPlane:
    """etcd, kube-apiserver, kube-controller-manager and, when asked for, kube-scheduler, in one folder."""

    def __init__(
        self,
        *,
        scheduler: bool,
        controllers: Sequence[str],
        audit_level: audit.Level,
        audit_bodies: bool,
        apiserver_flags: Sequence[str],
        controller_flags: Sequence[str],
        bind_address: str,
        extra_sans: Sequence[str],
        garbage_collection_percent: int,
    ) -> None:
        names = ["etcd", "kube-apiserver"]
        names += ["kube-controller-manager"] if controllers else []
        names += ["kube-scheduler"] if scheduler else []
        self._programs = binaries.paths(names)
        self._processes: dict[str, Process] = {}
        self._bind_address = bind_address
        self.garbage_collection_percent = garbage_collection_percent
        self._apiserver_flags = tuple(apiserver_flags)
        self._controllers = tuple(controllers)
        self._controller_flags = tuple(controller_flags)
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind_address, bind_address)
        self._port = ports.free(bind_address)
        self.server = f"https://{f'[{host}]' if ':' in host else host}:{self._port}"
        self.hosts = frozenset(
            ("localhost", "127.0.0.1", "::1", "kubernetes.default.svc", "10.96.0.1", host, *extra_sans)
        )
        self._folder = TemporaryFolder("etpguard-devcluster-")
        self.directory = self._folder.path
        self._etcd_data = self.directory / "etcd-data"
        # Flags may change what the API server writes at its first start.
        kept = None if apiserver_flags else first_data.place(self._programs)
        try:
            self._write_files(audit_level, audit_bodies)
            if kept is not None and kept.exists():
                first_data.copy(kept, self._etcd_data)
                kept = None
            self._start(keep=kept)
        except BaseException:
            self.stop()
            raise

    def _write_files(self, audit_level: audit.Level, audit_bodies: bool) -> None:
        self.authority = Authority(self.directory)
        self.signer = TokenSigner(self.directory)
        self._server_tls = Pair(*self.authority.issue("kube-apiserver", sorted(self.hosts)))
        self._etcd_tls = Pair(*self.authority.issue("etcd", ["127.0.0.1"]))
        self._etcd_client_tls = Pair(*self.authority.issue("etcd-client", ["etcd-client"]))
        self._etcd_server = f"https://127.0.0.1:{ports.free('127.0.0.1')}"
        self.etcd = Etcd(
            self._etcd_server,
            self.authority.certificate,
            self._etcd_client_tls.certificate,
            self._etcd_client_tls.key,
        )
        self.tokens = {name: secrets.token_hex(16) for name in _USERS}
        self._token_file = self.directory / "tokens.csv"
        self._token_file.write_text(
            "".join(f'{self.tokens[name]},{user},{name},"{group}"\n' for name, (user, group) in _USERS.items())
        )
        self._audit_policy = self.directory / "audit-policy.yaml"
        self._audit_policy.write_text(json.dumps(audit.policy(audit_level, audit_bodies)))
        self.audit_log = self.directory / "audit.log"
        self.kubeconfigs = {
            name: kubeconfig.write(
                self.directory / f"{name}.kubeconfig",
                server=self.server,
                authority=self.authority.certificate,
                token=token,
            )
            for name, token in self.tokens.items()
        }
        self.client = Client(self.server, ssl.create_default_context(cafile=str(self.authority.certificate)))

    def _start(self, keep: Path | None = None) -> None:
        """keep: where to put a copy of what the API server wrote."""
        self._run(
            "etcd",
            commands.etcd(self._etcd_data, self._etcd_server, self._etcd_tls, self.authority.certificate),
        )
        self._wait_for("etcd", self.etcd.healthy)
        self.start_apiserver()
        if keep is not None:
            with self._processes["etcd"].frozen():
                first_data.keep(self._etcd_data, keep)
        if self._controllers:
            self._run(
                "kube-controller-manager",
                commands.controller_manager(
                    self.kubeconfigs["kube-controller-manager"], self._controllers, self._controller_flags
                ),
            )
        if "kube-scheduler" in self._programs:
            self._run("kube-scheduler", commands.scheduler(self.kubeconfigs["kube-scheduler"]))

    def start_apiserver(self) -> None:
        """Starts it on its port and returns when ``/readyz`` says ok."""
        running = self._processes.get("kube-apiserver")
        if running is not None and running.running():
            raise StartError("kube-apiserver is already running")
        self._run(
            "kube-apiserver",
            commands.apiserver(
                bind_address=self._bind_address,
                port=self._port,
                tls=self._server_tls,
                authority=self.authority.certificate,
                etcd_server=self._etcd_server,
                etcd_client=self._etcd_client_tls,
                signing_key=self.signer.private_key,
                verifying_key=self.signer.public_key,
                tokens=self._token_file,
                audit_policy=self._audit_policy,
                audit_log=self.audit_log,
                extra=self._apiserver_flags,
            ),
        )
        self._wait_for("kube-apiserver", self._ready)

    def stop_apiserver(self, grace: float = 5.0) -> None:
        """SIGTERM, then SIGKILL after ``grace`` seconds (0: a crash). Returns when the process has ended."""
        self._processes["kube-apiserver"].stop(grace)
        self.client.close_idle()

    def backup_etcd(self, backup: Path) -> None:
        """Copies etcd's data while etcd is frozen: what a crash of it would leave, which it recovers from."""
        with self._processes["etcd"].frozen():
            first_data.copy(self._etcd_data, backup)

    def restore_etcd(self, backup: Path) -> None:
        """Stops everything, puts the data back, and starts everything on the ports it had."""
        for process in reversed(list(self._processes.values())):
            process.stop()
        self.client.close_idle()
        self.etcd.close()
        shutil.rmtree(self._etcd_data)
        first_data.copy(backup, self._etcd_data)
        self._start()

    def process(self, name: str) -> Process:
        return self._processes[name]

    @property
    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self._processes.items() if process.running()}

    def stop(self) -> None:
        """Kills all programs, etcd last, and removes the folder: nothing in it is worth a graceful end."""
        try:
            for process in reversed(list(self._processes.values())):
                process.stop(grace=0)
            if hasattr(self, "client"):
                self.client.close_idle()
                self.etcd.close()
        finally:
            self._folder.remove()

    def _run(self, name: str, arguments: Sequence[str]) -> None:
        self._processes[name] = Process(
            name,
            [self._programs[name], *arguments],
            self.directory / f"{name}.log",
            # Not ours: a proxy setting would have components ask it for the API server.
            {
                "PATH": os.defpath,
                "HOME": str(self.directory),
                "GOGC": str(self.garbage_collection_percent),
            },
        )

    def _ready(self) -> bool:
        try:
            return self.client.request("GET", "/readyz", timeout=2).ok
        except OSError:
            return False

    def _wait_for(self, name: str, condition: Callable[[], bool]) -> None:
        process = self._processes[name]
        end = time.monotonic() + START_SECONDS
        while not condition():
            process.require_running()
            if time.monotonic() > end:
                raise StartError(f"{name} is not ready after {START_SECONDS:.0f} s: {process.log_tail()}")
            time.sleep(0.05)
