"""Credential plugins (`exec` in a kubeconfig). A credential is kept until it expires.

pykube runs a plugin for every request, and does not know `client.authentication.k8s.io/v1`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from etpguard.kube import plugin_policy
from etpguard.kube.errors import BadKubeconfig
from etpguard.kube.kubeconfig import Cluster, Exec

TIMEOUT_SECONDS = 60.0
EARLY_SECONDS = 60.0
"""Seconds before its expiry at which a credential is renewed."""


class Issued(Struct, frozen=True):
    """The output of a plugin. `expires` is in seconds since the epoch; None means valid until the server answers
    401."""

    token: str = ""
    certificate: bytes = b""
    key: bytes = b""
    expires: float | None = None

    def expired(self, now: float) -> bool:
        return self.expires is not None and now > self.expires - EARLY_SECONDS


class _Status(msgspec.Struct, rename="camel"):
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: datetime | None = None


class _ExecCredential(msgspec.Struct):
    status: _Status


def run(spec: Exec, cluster: Cluster) -> Issued:
    """Run the plugin as k8s.io/client-go v0.37.2 plugin/pkg/client/auth/exec does, if the policy of the user
    allows it. Raises BadKubeconfig."""
    command = [plugin_policy.allowed(spec.command), *(spec.args or ())]
    environment = {**os.environ, **{v.name: v.value for v in spec.env or ()}}
    interactive = spec.interactive_mode != "Never" and sys.stdin is not None and sys.stdin.isatty()
    environment["KUBERNETES_EXEC_INFO"] = _info(spec, cluster, interactive)
    try:
        done = subprocess.run(  # noqa: S603  the user's kubeconfig names the command
            command,
            env=environment,
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=TIMEOUT_SECONDS,
            check=True,
        )
        status = msgspec.json.decode(done.stdout, type=_ExecCredential).status
    except subprocess.TimeoutExpired:
        raise BadKubeconfig(f"credential plugin {spec.command}: no answer in {TIMEOUT_SECONDS:g} s") from None
    except subprocess.CalledProcessError as error:
        raise BadKubeconfig(f"credential plugin {spec.command}: exit code {error.returncode}") from None
    except OSError as error:
        raise BadKubeconfig(f"credential plugin {spec.command}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise BadKubeconfig(f"credential plugin {spec.command}: no ExecCredential: {error}") from None
    if not status.token and not (status.client_certificate_data and status.client_key_data):
        raise BadKubeconfig(f"credential plugin {spec.command}: the output has neither a token nor a certificate")
    return Issued(
        token=status.token or "",
        certificate=(status.client_certificate_data or "").encode(),
        key=(status.client_key_data or "").encode(),
        expires=status.expiration_timestamp.timestamp() if status.expiration_timestamp else None,
    )


def _info(spec: Exec, cluster: Cluster, interactive: bool) -> str:
    about: dict[str, Any] = {"interactive": interactive}
    if spec.provide_cluster_info:
        about["cluster"] = {
            "server": cluster.server,
            "tls-server-name": cluster.tls_server_name or "",
            "insecure-skip-tls-verify": bool(cluster.insecure_skip_tls_verify),
            "certificate-authority-data": cluster.certificate_authority_data or "",
        }
    made = {"apiVersion": spec.api_version, "kind": "ExecCredential", "spec": about}
    return msgspec.json.encode(made).decode()
