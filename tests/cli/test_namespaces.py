"""A namespace with nothing to report gets a warning, so that a misspelt one is not taken for a healthy one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from devcluster import Cluster, objects
from tests.cli.program import SEED, Run, etpguard, failed

NONE_IN_INPUT = "there is no Service of namespace nope in the input"


def test_one_without_any_service_in_the_input() -> None:
    run = etpguard("check", "-f", SEED, "-n", "nope")
    assert run == Run(
        0,
        "No Service with externalTrafficPolicy Local that is reachable from outside in namespace nope.\n",
        f"etpguard: warning: {NONE_IN_INPUT}\n",
    )
    assert etpguard("check", "-f", SEED, "-n", "nope", "-o", "json").report["warnings"] == [NONE_IN_INPUT]


def test_one_with_services_that_are_all_well(tmp_path: Path) -> None:
    file = tmp_path / "state.yaml"
    file.write_text(SEED.read_text().replace("externalTrafficPolicy: Local", "externalTrafficPolicy: Cluster"))
    run = etpguard("check", "-f", file, "-n", "default")
    assert (run.code, run.err) == (0, "")
    assert "in namespace default" in run.out


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("nope/web", f"no Service nope/web in {SEED}: {NONE_IN_INPUT}", id="nothing is called so"),
        pytest.param(
            "nope/nginx-nginx-ingress-controller",
            f"{NONE_IN_INPUT}; there is default/nginx-nginx-ingress-controller",
            id="another namespace has one",
        ),
        pytest.param(
            "default/web",
            f"no Service default/web in {SEED}; the Services with Local in this namespace: "
            "nginx-nginx-ingress-controller",
            id="the namespace has others: the name may be that of an Ingress",
        ),
    ],
)
def test_explain_says_so_too(name: str, expected: str) -> None:
    assert failed(etpguard("explain", name, "-f", SEED)).endswith(expected)


def test_policies_of_one_without_any_service_say_so(tmp_path: Path) -> None:
    policy = SEED.parents[1] / "policies" / "nginx-alb.yaml"
    run = etpguard("check", "-f", SEED, "--policy", policy, "-n", "nope")
    assert (run.code, run.err) == (0, f"etpguard: warning: {NONE_IN_INPUT}\n")


@pytest.mark.controlplane
class TestLive:
    @pytest.fixture(autouse=True)
    def a_node(self, cluster: Cluster) -> Iterator[None]:
        """Services of other tests may be Local, and a cluster with such a Service and no Node is an error."""
        objects.node(cluster, "cli-namespaces")
        yield
        cluster.request("DELETE", "/api/v1/nodes/cli-namespaces")

    def test_one_that_does_not_exist(self, cluster: Cluster) -> None:
        run = etpguard("check", "--kubeconfig", cluster.kubeconfig, "-n", "cli-nope")
        assert (run.code, run.err) == (0, "etpguard: warning: there is no namespace cli-nope\n")
        line = failed(etpguard("explain", "--kubeconfig", cluster.kubeconfig, "cli-nope/web"))
        assert ": there is no namespace cli-nope" in line

    def test_one_that_is_empty(self, cluster: Cluster) -> None:
        run = etpguard("check", "--kubeconfig", cluster.kubeconfig, "-n", "kube-node-lease")
        assert (run.code, run.err) == (0, "etpguard: warning: there is no Service of namespace kube-node-lease\n")

    def test_a_service_without_one_is_of_the_contexts(self, cluster: Cluster, tmp_path: Path) -> None:
        document = yaml.load(cluster.kubeconfig.read_text(), yaml.CSafeLoader)
        document["contexts"][0]["context"]["namespace"] = "kube-node-lease"
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(document))
        assert "no Service kube-node-lease/web" in failed(etpguard("explain", "--kubeconfig", kubeconfig, "web"))
        assert "Service kube-node-lease/web does not exist" in failed(
            etpguard("rollback", "--kubeconfig", kubeconfig, "web")
        )
