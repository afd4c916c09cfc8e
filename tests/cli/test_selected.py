"""`check -n`, `-l` and `--outcome`: what is shown, and the exit code that follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from etpguard.cli.input.live import joined
from etpguard.kube.lists import Listing
from tests.cli.program import SEED, Run, etpguard

NAME = "nginx-nginx-ingress-controller"
POLICY = SEED.parents[1] / "policies" / "nginx-alb.yaml"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The seed case in the namespaces a, b and c. The Service of b has the label tier=web, that of c has no
    endpoint."""
    items: list[dict[str, Any]] = []
    for space in "abc":
        for item in yaml.load(SEED.read_text(), yaml.CSafeLoader)["items"]:
            if "namespace" in item["metadata"]:
                item["metadata"]["namespace"] = space
            if item["kind"] == "Service":
                item["metadata"]["labels"] = {"tier": "web"} if space == "b" else {}
                item["metadata"]["uid"] = f"uid-{space}"
                item["spec"]["ports"] = [port | {"nodePort": 31000 + ord(space)} for port in item["spec"]["ports"]]
            if item["kind"] == "EndpointSlice" and space == "c":
                item["endpoints"] = []
            items.append(item)
    file = tmp_path_factory.mktemp("three") / "state.yaml"
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items}))
    return file


@pytest.mark.parametrize(
    ("arguments", "namespaces"),
    [
        pytest.param([], "abc", id="all"),
        pytest.param(["-n", "a"], "a", id="one namespace"),
        pytest.param(["-n", "c", "-n", "a", "-n", "c"], "ac", id="several namespaces, one of them twice"),
        pytest.param(["-l", "tier=web"], "b", id="a label"),
        pytest.param(["-l", "tier notin (web)"], "ac", id="the absence of a label"),
        pytest.param(["-l", "tier", "-n", "a"], "", id="a label in another namespace"),
        pytest.param(["--outcome", "noendpoints"], "c", id="an outcome in any case"),
        pytest.param(["--outcome", "NoEndpoints", "--outcome", "TargetsUnhealthy"], "abc", id="two outcomes"),
        pytest.param(["--outcome", "NoEndpoints", "-l", "tier=web"], "", id="an outcome and a label"),
    ],
)
def test_what_is_reported(three: Path, arguments: list[str], namespaces: str) -> None:
    report = etpguard("check", "-f", three, "-o", "json", *arguments).report
    assert [(each["namespace"], each["name"]) for each in report["services"]] == [(n, NAME) for n in namespaces]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(["--fail-on", "NoEndpoints"], 1, id="all"),
        pytest.param(["--fail-on", "NoEndpoints", "-n", "a", "-n", "b"], 0, id="the namespaces without it"),
        pytest.param(["--fail-on", "NoEndpoints", "-l", "tier=web"], 0, id="the label without it"),
        pytest.param(
            ["--fail-on", "TargetsUnhealthy", "--outcome", "NoEndpoints"], 1, id="the outcome that fails"
        ),
        pytest.param(["--fail-on", "NoEndpoints", "--outcome", "TargetsUnhealthy"], 0, id="another outcome"),
    ],
)
def test_the_exit_code_follows_what_is_shown(three: Path, arguments: list[str], code: int) -> None:
    assert etpguard("check", "-f", three, *arguments).code == code


def test_nothing_that_matches() -> None:
    run = etpguard("check", "-f", SEED, "-l", "no=such")
    assert run == Run(
        0, "No Service with externalTrafficPolicy Local that is reachable from outside matches.\n", ""
    )


def test_a_namespace_without_services_has_a_warning_of_its_own(three: Path) -> None:
    run = etpguard("check", "-f", three, "-n", "a", "-n", "nope")
    assert "etpguard: warning: there is no Service of namespace nope in the input" in run.err.splitlines()
    assert f"a/{NAME}" in run.out


def test_policies_show_the_selected_services_only() -> None:
    shown = etpguard("check", "-f", SEED, "--policy", POLICY, "--outcome", "TargetsUnhealthy")
    assert NAME in shown.out
    hidden = etpguard("check", "-f", SEED, "--policy", POLICY, "--outcome", "Outage")
    assert (hidden.code, hidden.out) == (0, "No Service with externalTrafficPolicy Local matches the policy.\n")


def test_lists_of_several_namespaces_are_one() -> None:
    def listing(*parts: list[Any]) -> Listing[Any]:
        return Listing(*parts)

    parts = [listing([1], [], ["x"]), listing([2, 3], ["r"], [])]
    assert joined(parts) == listing([1, 2, 3], ["r"], ["x"])
