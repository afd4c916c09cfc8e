"""A CA is rotated: the bundle gets the new CA first, and later the server a certificate of that alone."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from devcluster import Cluster
from devcluster.objects import wait_for
from etpguard.kube import verbs
from etpguard.kube.client import LazyClient
from etpguard.kube.connection import Connection
from etpguard.kube.errors import ApiError, Unreachable
from etpguard.kube.exchange import exchange
from etpguard.kube.lists import ListReader
from etpguard.objects import NODE, Key
from tests.app.harness import Running, node_port_service, the_case
from tests.kube.rotation import Rotation, kubeconfig
from tests.kube.tls_front import TlsFront


async def ask(client: LazyClient) -> int:
    return (await exchange(client, verbs.get(NODE, Key("", "n")), 10, lambda *_: None)).status


def test_the_client_for_writes_goes_on_after_a_rotation(
    rotation: Rotation, front: TlsFront, tmp_path: Path
) -> None:
    async def scenario() -> None:
        client = LazyClient(Connection(kubeconfig(tmp_path, front.server, rotation.bundle, {"token": "t"})))
        try:
            assert await ask(client) == 200
            rotation.trust(rotation.old, rotation.new)
            assert await ask(client) == 200
            front.rotate(*rotation.new_pair)
            assert await ask(client) == 200
            rotation.trust(rotation.old)
            with pytest.raises(ApiError, match="certificate verify failed"):
                await ask(client)
        finally:
            await client.close()

    asyncio.run(scenario())


def test_lists_go_on_after_a_rotation(rotation: Rotation, front: TlsFront, tmp_path: Path) -> None:
    reader = ListReader(Connection(kubeconfig(tmp_path, front.server, rotation.bundle, {"token": "t"})))
    assert reader.ask(NODE) == 7
    rotation.trust(rotation.old, rotation.new)
    front.rotate(*rotation.new_pair)
    assert reader.ask(NODE) == 7
    rotation.trust(rotation.old)
    with pytest.raises(Unreachable, match="does not verify"):
        reader.ask(NODE)


def test_client_certificates_in_a_kubeconfig_that_is_rewritten_are_used(
    rotation: Rotation, tmp_path: Path
) -> None:
    def user(name: str) -> dict[str, Any]:
        pair = rotation.old.issue(name, ["127.0.0.1"])
        fields = zip(("client-certificate-data", "client-key-data"), pair, strict=True)
        return {field: base64.b64encode(path.read_bytes()).decode() for field, path in fields}

    server = "https://192.0.2.1"
    connection = Connection(kubeconfig(tmp_path, server, rotation.bundle, user("first")))
    before = connection.credentials()
    content, fingerprint = Path(before.certificate_file).read_bytes(), before.tls_fingerprint()
    kubeconfig(tmp_path, server, rotation.bundle, user("second"))
    after = connection.credentials()
    assert Path(after.certificate_file).read_bytes() != content
    assert after.tls_fingerprint() != fingerprint
    (tmp_path / "kubeconfig").write_text("half: [")
    assert connection.credentials() == after
    kubeconfig(tmp_path, "https://192.0.2.2", rotation.bundle, {"token": "of another cluster"})
    assert connection.credentials() == after


@pytest.mark.controlplane
def test_lists_watches_writes_and_the_lease_go_on_after_a_rotation(
    cluster: Cluster, namespace: str, rotation: Rotation, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {
        "leader_elect": True,
        "lease_namespace": namespace,
        "namespaces": frozenset({namespace}),
        "write_conditions": True,
        "hold": 0.0,
        "hold_urgent": 0.0,
        "condition_interval": 1.0,  # the slice of a new Service may come after its first condition
    }

    services = f"/api/v1/namespaces/{namespace}/services"

    def outcome(name: str) -> str:
        service = cluster.call("GET", f"{services}/{name}")
        return "".join(condition["reason"] for condition in service["status"].get("conditions", ()))

    api = urlsplit(cluster.server)
    assert api.hostname
    assert api.port
    with (
        the_case(cluster, namespace),
        TlsFront((api.hostname, api.port), *rotation.old_pair, authority=cluster.ca) as front,
    ):
        file = kubeconfig(tmp_path, front.server, rotation.bundle, {"token": cluster.tokens["admin"]})
        with Running(file, **settings) as running:
            running.wait_fresh()
            wait_for(lambda: outcome("nginx") == "Uncovered", 60, "the condition")
            rotation.trust(rotation.old, rotation.new)
            front.rotate(*rotation.new_pair)
            wait_for(lambda: running.metric("etpguard_leader") == 1.0, 60, "the lead to be kept or regained")
            running.wait_fresh()
            later = node_port_service("later")
            later["spec"]["selector"] = {"app": "nginx"}
            cluster.call("POST", services, later)
            wait_for(lambda: outcome("later") == "Uncovered", 60, "the condition of a Service made afterwards")
