"""`check --policy` refuses just what the API server refuses: each of many values in each place of a policy."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster import Cluster
from etpguard.cli import policy_preview
from etpguard.cli.errors import Failure
from tests.remediate.stage import Json

pytestmark = pytest.mark.controlplane

SOUND: Json = {
    "mode": "Enforce",
    "serviceSelector": {
        "matchLabels": {"a": "b"},
        "matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}],
    },
    "serviceTypes": ["NodePort"],
    "unhealthyWhen": {"uncoveredNodes": 1, "forSeconds": 60, "outcomes": ["Outage"]},
    "remediation": {
        "action": "SetCluster",
        "sourceIPLoss": "Accept",
        "gitOpsOwned": "Skip",
        "networkPolicy": "Refuse",
        "triggerIf": {"uncoveredServicesLessThanOrEqualTo": "40%", "stormCooldownSeconds": 5},
        "budgets": [
            {"services": "1", "perSeconds": 5, "schedule": "0 0 * * *", "timeZone": "UTC", "durationSeconds": 60}
        ],
        "onDrift": {"maxReverts": 1, "windowSeconds": 60},
    },
    "rollback": {"mode": "Manual", "coveredForSeconds": 5, "onDelete": "Keep"},
    "suspend": False,
    "pauseRequests": ["one"],
    "rollbackRequests": ["a/b"],
}
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2, 50, 51, 59, 60, 100, 101, 1000, 86400, 86401, 604800, 604801, 2592000, 2592001,
    2**31, 2**63, 1.5, "", "x", "0", "1", "00", "0%", "00%", "01%", "1%", "99%", "100%", "101%", "1000%", "1\n",
    "12345678", "123456789", "9" * 5000, "x" * 63, "x" * 64, "x" * 256, "x" * 257, "x" * 317, "x" * 318,
    "ä" * 256, "NotIn", "Exists", "Enforce", "Accept", "Patch", "Cluster", "Local", [], ["x"], ["x", "x"],
    ["NodePort", "LoadBalancer", "ClusterIP"], ["Blackhole"], ["Blackhole", "Blackhole"], ["None"], [None], [1],
    [str(n) for n in range(32)], [str(n) for n in range(33)], [str(n) for n in range(256)],
    [str(n) for n in range(257)], [{}] * 16, [{}] * 17, [{"services": "5"}], {}, {"x": "y"}, {"x": 1}, {"x": None},
    {str(n): "v" for n in range(33)}, {"matchLabels": {"x": "y" * 64}}, {"matchExpressions": [{"key": "x"}]},
    {"forSeconds": None},
)  # fmt: skip


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of each value in `value`, and for each object the path of a field that it does not have."""
    if path:
        yield path
    if isinstance(value, dict):
        yield (*path, UNHEARD_OF)
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*path, number))


def changed(path: tuple[str | int, ...], value: Any) -> Json:
    spec = copy.deepcopy(SOUND)
    at: Any = spec
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    return spec


def fault(spec: Json, file: Path) -> str:
    """What `check --policy` has against it, "" for nothing."""
    document = {
        "apiVersion": "etpguard.dev/v1alpha1",
        "kind": "CoveragePolicy",
        "metadata": {"name": "opt-in", "namespace": "default"},
        "spec": spec,
    }
    file.write_text(json.dumps(document))
    try:
        policy_preview.read([str(file)], "")
    except Failure as failure:
        return str(failure)
    return ""


def taken(cluster: Cluster, spec: Json) -> str:
    """What the API server has against it, "" for nothing."""
    path = "/apis/etpguard.dev/v1alpha1/namespaces/default/coveragepolicies?dryRun=All&fieldValidation=Strict"
    body = {
        "apiVersion": "etpguard.dev/v1alpha1",
        "kind": "CoveragePolicy",
        "metadata": {"name": "opt-in"},
        "spec": spec,
    }
    answer = cluster.request("POST", path, body)
    return "" if answer.ok else str(answer.json()["message"])


UNHEARD_OF = "unheardOf"
OF_A_FIELD_UNHEARD_OF: tuple[Any, ...] = (None, True, 1, "x", [], {}, {"x": 1})
"""Of each type: neither side has a rule for what is in such a field. A label of this name is like the other."""
BEYOND_THE_CRD = ("schedule: ", "timeZone: ")
"""What no schema can tell is refused by `check` alone."""


def test_it_refuses_just_what_the_api_server_refuses(arena: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    assert (fault(SOUND, file), taken(arena, SOUND)) == ("", "")
    differ = []
    for path in places(SOUND):
        for value in OF_A_FIELD_UNHEARD_OF if path[-1] == UNHEARD_OF else VALUES:
            spec = changed(path, value)
            ours, theirs = fault(spec, file), taken(arena, spec)
            if bool(ours) != bool(theirs) and not any(words in ours for words in BEYOND_THE_CRD):
                differ.append(
                    f"{path} = {value!r:.40}: check: {ours[:200] or 'taken'}; API server: {theirs[:200]}"
                )
    assert not differ, "\n".join(differ)
