"""`explain -o json` has what the text has, in the shapes of the CoverageReport."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from manifests import api_page
from tests.cli.program import SEED, etpguard

NAME = "default/nginx-nginx-ingress-controller"


def explained(file: Path, *arguments: str) -> dict[str, Any]:
    run = etpguard("explain", NAME, "-f", file, "-o", "json", *arguments)
    assert run.code == 0, run
    return run.report


def test_it_has_what_check_and_the_text_have() -> None:
    made = explained(SEED)
    checked = etpguard("check", "-f", SEED, "-o", "json").report
    assert [made["service"]] == checked["services"]
    assert made["dataPlane"] == checked["dataPlane"]
    assert "\n".join(made["text"]) + "\n" == etpguard("explain", NAME, "-f", SEED).out
    (endpoint,) = made["endpoints"]
    assert (endpoint["node"], endpoint["ready"]) == ("node1", True)
    assert made["advice"][0]["title"]
    assert (made["internal"], made["history"]) == (None, [])


def test_every_field_is_documented() -> None:
    made = explained(SEED)
    assert {field.path.partition(".")[0].removesuffix("[]") for field in api_page.EXPLANATION} == made.keys()
    for name in ("endpoints", "advice"):
        fields = [f for f in api_page.EXPLANATION if f.path.startswith(f"{name}[].")]
        assert {f.path.partition(".")[2] for f in fields if not f.optional} == made[name][0].keys()


def test_the_documents_of_the_advice_are_documented_too() -> None:
    advice = explained(SEED, "--hand-off")["advice"]
    paths = {f.path for f in api_page.EXPLANATION}
    assert all({f"advice[].{name}" for name in each} <= {p.removesuffix("[]") for p in paths} for each in advice)
    documents = [document for each in advice for document in each["documents"]]
    assert documents
    assert all({f"advice[].documents[].{name}" for name in each} <= paths for each in documents)


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """The seed case with Cluster and without a target, conditions or a node of its endpoint, and a history."""
    items = yaml.load(SEED.read_text(), yaml.CSafeLoader)["items"]
    for item in items:
        if item["kind"] == "Service":
            item["spec"] |= {"externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Local"}
        if item["kind"] == "EndpointSlice":
            item["endpoints"] = [{"addresses": ["10.0.0.1"]}]
    at = {"time": "2026-01-01T00:00:00Z", "to": "Covered"}
    report = {
        "apiVersion": "etpguard.dev/v1alpha1", "kind": "ServiceCoverage",
        "metadata": {"namespace": "default", "name": NAME.partition("/")[2]}, "status": {"transitions": [at]},
    }  # fmt: skip
    file = tmp_path / "state.yaml"
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [*items, report]}))
    return file


def test_a_service_that_is_not_assessed(changed: Path) -> None:
    made = explained(changed)
    assert (made["service"], made["advice"], made["externalTrafficPolicy"]) == (None, [], "Cluster")
    assert made["endpoints"] == [
        {
            "node": None, "family": "IPv4", "addresses": ["10.0.0.1"], "kind": None, "name": None,
            "ready": None, "serving": None, "terminating": None,
        }
    ]  # fmt: skip
    assert made["internal"]["name"] == made["name"]
    assert [each["to"] for each in made["history"]] == ["Covered"]


def test_the_advice_has_its_patches() -> None:
    made = explained(SEED, "--patch")
    (policy,) = [each for each in made["advice"] if each["title"] == "Let every node forward"]
    (document,) = policy["documents"]
    assert document["document"]["spec"] == {"externalTrafficPolicy": "Cluster"}
    assert document["command"].endswith("--patch-file=FILE")
    assert (document["helmValues"], policy["notes"]) == (False, [])
    assert any(each["notes"] and not each["documents"] for each in made["advice"])
    assert "documents" not in explained(SEED)["advice"][0]
    run = etpguard("explain", NAME, "-f", SEED, "-o", "json", "--patch", "--way", "1")
    assert (run.code, run.out) == (2, "")
    assert "--way and -o json exclude each other" in run.err
