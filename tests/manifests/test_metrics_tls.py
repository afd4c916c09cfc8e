"""Metrics over TLS from a Secret: what the chart renders, and a real Prometheus that scrapes a real operator."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from devcluster import Cluster
from devcluster.certificates import Authority
from devcluster.objects import wait_for
from etpguard.settings import parse
from etpguard.web import CertificateFiles
from tests.manifests.installed import operator
from tests.manifests.prometheus import prometheus
from tests.manifests.rendered import NAMESPACE, Json, by_name, environment, helm_template, with_component
from tests.web.secret import MountedSecret

SECRET = ("--set", "metrics.tls.secretName=web-cert,monitoring.serviceMonitor.enabled=true")
SERVER = f"etpguard.{NAMESPACE}.svc"


def pod(manifests: list[Json]) -> Any:
    (deployment,) = (m for m in manifests if m["kind"] == "Deployment")
    return deployment["spec"]["template"]["spec"]


def endpoint(manifests: list[Json]) -> Any:
    (monitor,) = (m for m in manifests if m["kind"] == "ServiceMonitor")
    return monitor["spec"]["endpoints"][0]


def test_the_operator_reads_the_files_where_the_secret_is_mounted() -> None:
    manifests = helm_template(*SECRET)
    settings = parse({}, environment(manifests))
    (volume,) = (v for v in pod(manifests)["volumes"] if v["name"] == "tls")
    assert volume["secret"] == {"secretName": "web-cert"}
    (mount,) = (m for m in pod(manifests)["containers"][0]["volumeMounts"] if m["name"] == "tls")
    assert mount["readOnly"] is True
    assert "subPath" not in mount, "the kubelet does not update it"
    files = (settings.tls_cert_file, settings.tls_private_key_file)
    assert files == (f"{mount['mountPath']}/tls.crt", f"{mount['mountPath']}/tls.key")


@pytest.mark.parametrize(("values", "scheme"), [((), None), (SECRET, "HTTPS")])
def test_each_probe_has_the_scheme_of_the_server(values: tuple[str, ...], scheme: str | None) -> None:
    (container,) = pod(helm_template(*values))["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"].get("scheme") == scheme


def test_prometheus_verifies_the_certificate_for_the_service() -> None:
    manifests = helm_template(*SECRET)
    (service,) = (m["metadata"] for m in manifests if m["kind"] == "Service")
    found = endpoint(manifests)
    assert found["scheme"] == "https"
    assert found["tlsConfig"] == {
        "serverName": f"{service['name']}.{service['namespace']}.svc",
        "ca": {"secret": {"name": "web-cert", "key": "ca.crt"}},
    }


@pytest.mark.parametrize("overlay", ["base", "overlays/observe-only", "overlays/remediation"])
def test_the_component_changes_the_deployment_and_the_service_monitor_alone(overlay: str) -> None:
    plain = by_name(with_component(overlay, "overlays/monitoring"))
    secured = by_name(with_component(overlay, "overlays/monitoring", "overlays/metrics-tls"))
    assert plain.keys() == secured.keys()
    assert {name[0] for name in plain if plain[name] != secured[name]} == {"Deployment", "ServiceMonitor"}
    before, after = environment(list(plain.values())), environment(list(secured.values()))
    assert after.keys() - before.keys() == {"ETPGUARD_TLS_CERT_FILE", "ETPGUARD_TLS_PRIVATE_KEY_FILE"}
    assert {name: after[name] for name in before} == before


def test_another_tls_config_replaces_the_default() -> None:
    mine = {"ca": {"configMap": {"name": "company-ca", "key": "ca.crt"}}, "serverName": "etpguard.example.com"}
    manifests = helm_template(*SECRET, "--set-json", f"monitoring.serviceMonitor.tlsConfig={json.dumps(mine)}")
    assert endpoint(manifests)["tlsConfig"] == mine


def test_without_a_secret_prometheus_scrapes_over_http() -> None:
    given = "monitoring.serviceMonitor.enabled=true,monitoring.serviceMonitor.tlsConfig.serverName=x"
    assert {"scheme", "tlsConfig"}.isdisjoint(endpoint(helm_template("--set", given)))


def issue(authority: Authority, name: str) -> CertificateFiles:
    return CertificateFiles(*authority.issue(name, [SERVER, "127.0.0.1"]))


@pytest.mark.controlplane
def test_prometheus_scrapes_the_operator_through_a_change_of_the_secret(site: Cluster, tmp_path: Path) -> None:
    manifests = helm_template(*SECRET)
    authority, secret = Authority(tmp_path), MountedSecret(tmp_path / "mount")
    secret.swap(issue(authority, "first"))
    mounted = {
        "ETPGUARD_TLS_CERT_FILE": str(secret.files.certificate),
        "ETPGUARD_TLS_PRIVATE_KEY_FILE": str(secret.files.private_key),
    }
    tls = {"ca_file": str(authority.certificate), "server_name": endpoint(manifests)["tlsConfig"]["serverName"]}
    rules = tmp_path / "no-rules.yaml"
    rules.write_text("groups: []\n")
    with (
        operator(site, manifests, tmp_path, authority=str(authority.certificate), **mounted) as running,
        prometheus(tmp_path, rules, [(running.port, {})], tls) as watching,
    ):

        def reloads(result: str) -> float | None:
            return running.metric("etpguard_certificate_reloads_total", result=result)

        wait_for(lambda: watching.up() == 1, 60, "a scrape over HTTPS")
        secret.swap(issue(authority, "second"))
        wait_for(lambda: reloads("succeeded") == 1, 60, "the new certificate")
        secret.swap(CertificateFiles(secret.files.certificate, tmp_path / "first.key"))
        wait_for(lambda: reloads("failed") == 1, 60, "the note of a pair that does not match")
        status, text = running.get("/readyz")
        assert status == 200
        assert f"the new TLS certificate is not in use: --tls-private-key-file {secret.files.private_key}" in text
        # Prometheus has scraped since then.
        query = "query?query=etpguard_certificate_reloads_total"
        wait_for(
            lambda: [e["value"][1] for e in watching.get(query)["result"]] == ["1", "1"], 60, "both in Prometheus"
        )
        assert watching.up() == 1


def test_a_bad_certificate_ends_the_start_with_one_line(tmp_path: Path) -> None:
    """Before the API server is asked for anything."""
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:1"}}],
                "users": [{"name": "x", "user": {"token": "x"}}],
            }
        )
    )
    command = [sys.executable, "-m", "etpguard", "run", "--kubeconfig", str(kubeconfig), "--tls-cert-file", "/no"]
    alone = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (alone.returncode, alone.stderr) == (
        2,
        "etpguard: --tls-cert-file and --tls-private-key-file need each other\n",
    )
    both = subprocess.run(
        [*command, "--tls-private-key-file", "/no.key"], capture_output=True, text=True, timeout=120
    )
    assert both.returncode == 2
    assert both.stderr.splitlines()[-1] == "etpguard: --tls-cert-file /no: No such file or directory"
