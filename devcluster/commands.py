"""The command line of each program of the control plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster.tokens import ISSUER

SERVICE_CIDRS = ("10.96.0.0/16", "2001:db8:96::/112")
"""Cluster IPs: IPv4 first, so that a Service is single-stack IPv4 unless it asks for more."""

DEFAULT_CONTROLLERS = (
    "endpointslice-controller",
    "endpointslice-mirroring-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "garbage-collector-controller",
)


GARBAGE_COLLECTION_PERCENT = 400
"""Go's GOGC of each program: a collection once the heap has grown by so much. Go's own default is 100, with which
kube-apiserver spends a fifth of its processor time on collections; 400 takes 100 MB more for each API server."""

UNCACHED = (
    "certificatesigningrequests.certificates.k8s.io",
    "clustertrustbundles.certificates.k8s.io",
    "controllerrevisions.apps",
    "cronjobs.batch",
    "csidrivers.storage.k8s.io",
    "csinodes.storage.k8s.io",
    "csistoragecapacities.storage.k8s.io",
    "deviceclasses.resource.k8s.io",
    "devicetaintrules.resource.k8s.io",
    "flowschemas.flowcontrol.apiserver.k8s.io",
    "ipaddresses.networking.k8s.io",
    "jobs.batch",
    "limitranges",
    "mutatingadmissionpolicies.admissionregistration.k8s.io",
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "persistentvolumeclaims",
    "persistentvolumes",
    "podcertificaterequests.certificates.k8s.io",
    "podtemplates",
    "priorityclasses.scheduling.k8s.io",
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
    "replicationcontrollers",
    "resourceclaims.resource.k8s.io",
    "resourceclaimtemplates.resource.k8s.io",
    "resourcequotas",
    "resourceslices.resource.k8s.io",
    "runtimeclasses.node.k8s.io",
    "servicecidrs.networking.k8s.io",
    "storageclasses.storage.k8s.io",
    "storageversionmigrations.storagemigration.k8s.io",
    "volumeattachments.storage.k8s.io",
    "volumeattributesclasses.storage.k8s.io",
)
"""Kinds that neither etpguard nor a test reads: the API server reads them from etcd. The watch cache of each kind
wakes up every second. Without these, 40 idle seconds of a control plane take 0.69 s of processor time
instead of 0.83 s."""


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


def etcd(data: Path, server: str, tls: Pair, authority: Path) -> list[str]:
    return [
        "--name=devcluster",
        f"--data-dir={data}",
        "--unsafe-no-fsync",  # what a crash of the machine would lose is thrown away anyhow
        f"--listen-client-urls={server}",
        f"--advertise-client-urls={server}",
        "--listen-peer-urls=http://127.0.0.1:0",
        f"--cert-file={tls.certificate}",
        f"--key-file={tls.key}",
        f"--trusted-ca-file={authority}",
        "--client-cert-auth",
        "--quota-backend-bytes=8589934592",
        "--log-level=warn",
    ]


def apiserver(
    *,
    bind_address: str,
    port: int,
    tls: Pair,
    authority: Path,
    etcd_server: str,
    etcd_client: Pair,
    signing_key: Path,
    verifying_key: Path,
    tokens: Path,
    audit_policy: Path,
    audit_log: Path,
    extra: Sequence[str],
) -> list[str]:
    return [
        f"--bind-address={bind_address}",
        f"--secure-port={port}",
        # Nothing in the cluster dials the address that it advertises; given, since the default is looked up
        # in the routing table, which may be empty.
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--tls-cert-file={tls.certificate}",
        f"--tls-private-key-file={tls.key}",
        f"--etcd-servers={etcd_server}",
        f"--etcd-cafile={authority}",
        f"--etcd-certfile={etcd_client.certificate}",
        f"--etcd-keyfile={etcd_client.key}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-signing-key-file={signing_key}",
        f"--service-account-key-file={verifying_key}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        # ServiceAccount: so that pods can be made before their service account. TaintNodesByCondition: taints
        # every new node NoSchedule, which only the node-lifecycle-controller takes away.
        "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
        f"--service-cluster-ip-range={','.join(SERVICE_CIDRS)}",
        "--allow-privileged=true",
        f"--audit-policy-file={audit_policy}",
        f"--audit-log-path={audit_log}",
        "--audit-log-mode=blocking-strict",  # an event is in the log before its response ends
        "--audit-log-maxsize=1000000",  # megabytes: never rotated
        # Given, so that SIGTERM ends the watches and then the process; else it waits a minute for them.
        "--shutdown-watch-termination-grace-period=1s",
        "--profiling=false",
        f"--watch-cache-sizes={','.join(f'{kind}#0' for kind in UNCACHED)}",
        *extra,
    ]


def controller_manager(kubeconfig: Path, controllers: Sequence[str], extra: Sequence[str]) -> list[str]:
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--controllers={','.join(controllers)}",
        # Each controller acts as its own service account, with the rights that Kubernetes gives it.
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--secure-port=0",
        # By default each controller sends 20 requests a second: the slices of 400 Services would take 20 s.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        *extra,
    ]


def scheduler(kubeconfig: Path) -> list[str]:
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--secure-port=0",
    ]
