"""What etpguard says, in the words of the comparison."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from typing import Any, Protocol

import pytest
from click.testing import CliRunner

from devcluster import Cluster
from devcluster.dataplane.addresses import Family
from devcluster.dataplane.matrix import STATES, PortKey, State
from etpguard.assess import Engine, picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.cli.main import cli
from etpguard.cluster import NodeTable
from etpguard.kube.connection import Connection
from etpguard.kube.errors import NotServed
from etpguard.kube.lists import list_kind
from etpguard.objects import ENDPOINT_SLICE, SERVICE
from etpguard.objects.decode import decode_page
from tests.assess.data_planes.states import service_states


class Predictor(Protocol):
    """Says what the packets should do, from the objects in the API."""

    def states(self, cluster: Cluster, namespaces: Collection[str]) -> Mapping[PortKey, Mapping[str, State]]:
        """The state of every Node for each externally served port of the namespaces' Services with Local."""

    def healthy(self, cluster: Cluster, namespace: str, name: str, family: Family) -> set[str]:
        """The nodes on which the Service's healthCheckNodePort answers 200."""


def report(cluster: Cluster) -> dict[str, Any]:
    """The CoverageReport of the whole cluster, from the console command."""
    done = subprocess.run(
        [sys.executable, "-m", "etpguard", "check", "-A", "-o", "json", "--max-nodes", "0"],
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # 1: there is an outcome at or above --fail-on; Python's own for an exception, but then nothing is printed.
    if done.returncode not in (0, 1) or not done.stdout:
        pytest.fail(f"etpguard check: exit {done.returncode}: {done.stderr.strip()}", pytrace=False)
    answer: dict[str, Any] = json.loads(done.stdout)
    assert (answer["warnings"], answer["notRead"]) == ([], [])
    return answer


def report_in_process(cluster: Cluster) -> dict[str, Any]:
    """As `report`, by the same command in this process: a comparison with packets asks for it many times."""
    arguments = ["check", "-A", "-o", "json", "--max-nodes", "0", "--kubeconfig", str(cluster.kubeconfig)]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False, catch_exceptions=False)
    assert done.return_value in (0, 1), done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert (answer["warnings"], answer["notRead"]) == ([], [])
    return answer


def assessed(cluster: Cluster) -> tuple[Engine, NodeTable]:
    """The cluster as it is now, assessed in this process, for what the report does not show."""
    picture = picture_for(consumer_families())
    connection = Connection(cluster.kubeconfig)
    for kind in picture.kinds:
        with contextlib.suppress(NotServed):
            listed = list_kind(connection, kind)
            picture.absorb(picture.store(kind).replace([*listed.items, *listed.deferred]))
    engine = Engine(picture, consumer_families())
    engine.refresh_all()
    return engine, picture.nodes


class Etpguard:
    """States from the report that people get. The report has no word for healthCheckNodePort alone, so that
    this comes from the function that decides whether such a probe passes."""

    def states(self, cluster: Cluster, namespaces: Collection[str]) -> dict[PortKey, dict[str, State]]:
        predicted: dict[PortKey, dict[str, State]] = {}
        for service in report_in_process(cluster)["services"]:
            if service["namespace"] not in namespaces:
                continue
            for port in service["ports"]:
                key = PortKey(
                    service["namespace"], service["name"], port["port"], port["protocol"], port["family"]
                )
                predicted[key] = {node: state for state in STATES for node in port[state]}
        return predicted

    def healthy(self, cluster: Cluster, namespace: str, name: str, family: Family) -> set[str]:
        services = decode_page(SERVICE, cluster.request("GET", SERVICE.path).body).items
        slices = decode_page(ENDPOINT_SLICE, cluster.request("GET", ENDPOINT_SLICE.path).body).items
        (service,) = [s for s in services if (s.key.namespace, s.key.name) == (namespace, name)]
        bound = "kubernetes.io/service-name"
        own = [s for s in slices if s.key.namespace == namespace and s.labels.get(bound) == name]
        table = NodeTable()
        return set(table.names(service_states(service, own, table).healthy[family]))
