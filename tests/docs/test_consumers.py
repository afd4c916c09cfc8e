"""docs/consumers.md has an entry for each consumer, and every kind that a family reads beyond the core API."""

from __future__ import annotations

import re

import pytest

from etpguard.assess.consumers.interface import ConsumerFamily
from etpguard.assess.consumers.registry import consumer_families
from manifests import consumers, generated
from tests.docs.console import ROOT

_ROW = re.compile(r"^\| `([a-z0-9.]+)` \| (`[^|]+`) \|", re.MULTILINE)


def test_every_kind_that_is_read_is_named() -> None:
    named = {
        f"{plural}.{group}"
        for group, plurals in _ROW.findall((ROOT / "docs" / "consumers.md").read_text())
        for plural in re.findall(r"`([a-z0-9]+)`", plurals)
    }
    read = {
        each.resource
        for family in consumer_families()
        for kind in family.kinds
        for each in kind.served(None)
        if "." in each.group
    }
    assert named == read - {"ingresses.networking.k8s.io"}


def test_a_kind_of_several_consumers_is_not_said_to_be_for_one_of_them() -> None:
    rows = dict(re.findall(r"^\| `([a-z0-9.]+)` \| [^|]+ \| ([^|]+) \|$", consumers.kinds(), re.MULTILINE))
    assert {group: rows[group] for group in ("cilium.io", "elbv2.k8s.aws", "cloud.google.com")} == {
        "cilium.io": "Cilium",
        "elbv2.k8s.aws": "AWS Load Balancer Controller",
        "cloud.google.com": "Google Cloud Ingress",
    }


@pytest.mark.no_cover
def test_the_page_has_what_the_families_declare() -> None:
    page = generated.CONSUMERS_PAGE
    assert page.read_text() == generated.files()[page], "renew it: python -m manifests.generated"


@pytest.mark.parametrize("family", [pytest.param(family, id=family.name) for family in consumer_families()])
def test_each_family_documents_its_consumers(family: ConsumerFamily) -> None:
    page = generated.CONSUMERS_PAGE.read_text()
    documented = consumers.documented_by(family)
    assert documented
    for row in documented:
        cells = (row.consumer, row.found_by, row.nodes, row.health_check, row.with_local, row.source)
        assert all(cells)
        assert not any("\n" in cell for cell in cells)
        entry = page.partition(f"\n#### {row.consumer}\n")[2].partition("\n#")[0]
        assert all(cell in entry for cell in cells[1:] if cell != consumers.NO_SOURCE)
        assert f"[{row.consumer}](#" in page
