"""Kinds on the real control plane in another API version than the one that etpguard prefers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from devcluster import Cluster
from devcluster.objects import wait_for
from etpguard.app.timing import OperatorTiming
from etpguard.cli.input.sources import Sources, assess
from etpguard.intake.timing import ListTiming
from etpguard.objects import Key
from etpguard.objects.cilium import CILIUM_BGP_ADVERTISEMENT as KIND
from etpguard.settings import Settings
from tests.app.alb import DEFINITIONS
from tests.app.harness import Running

pytestmark = pytest.mark.controlplane

QUICK = OperatorTiming(lists=ListTiming(look_again=1.0, forbidden=1.0))
OLD = KIND.at("cilium.io/v2alpha1")
NAME = f"{KIND.plural}.{KIND.group}"


@contextmanager
def definition(cluster: Cluster) -> Iterator[None]:
    """The kind in its older version alone, as Cilium 1.16 and 1.17 have it."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    made: dict[str, Any] = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": KIND.group,
            "scope": "Cluster",
            "names": {"kind": KIND.name, "plural": KIND.plural, "singular": KIND.name.lower()},
            "versions": [
                {"name": OLD.version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }
    cluster.call("POST", DEFINITIONS, made)
    try:
        wait_for(lambda: cluster.request("GET", OLD.path).ok, what=f"{KIND} to be served")
        yield
    finally:
        cluster.request("DELETE", f"{DEFINITIONS}/{NAME}")
        wait_for(lambda: cluster.request("GET", f"{DEFINITIONS}/{NAME}").status == 404, 60, "the end of it")
        wait_for(lambda: cluster.request("GET", f"/apis/{KIND.group}").status == 404, 60, "the end of its group")


def advertisement(name: str) -> dict[str, Any]:
    return {"apiVersion": OLD.api_version, "kind": KIND.name, "metadata": {"name": name}, "spec": {}}


def test_a_kind_is_listed_and_watched_in_the_version_that_is_served(cluster: Cluster) -> None:
    with definition(cluster):
        cluster.call("POST", OLD.path, advertisement("one"))
        with Running(cluster.kubeconfig, QUICK) as running:
            running.wait_fresh()
            assert running.on_loop(lambda operator: operator.picture.get(KIND, Key("", "one")) is not None)
            wait_for(lambda: KIND in running.operator.watching(), 60, "its watch")
            cluster.call("POST", OLD.path, advertisement("two"))
            wait_for(
                lambda: running.on_loop(lambda operator: operator.picture.get(KIND, Key("", "two")) is not None),
                60,
                "an event of the watch",
            )
        read = assess(Sources(settings=Settings(kubeconfig=str(cluster.kubeconfig))))
        assert read.loaded.picture.get(KIND, Key("", "two")) is not None
