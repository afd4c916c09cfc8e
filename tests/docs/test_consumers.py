"""docs/consumers.md names every kind that a family reads beyond the core API."""

from __future__ import annotations

import re

from etpguard.assess.consumers.registry import consumer_families
from tests.docs.console import ROOT

_ROW = re.compile(r"^\| `([a-z0-9.]+)` \| (`[^|]+`) \|", re.MULTILINE)


def test_every_kind_that_is_read_is_named() -> None:
    named = {
        f"{plural}.{group}"
        for group, plurals in _ROW.findall((ROOT / "docs" / "consumers.md").read_text())
        for plural in re.findall(r"`([a-z0-9]+)`", plurals)
    }
    read = {
        kind.resource
        for family in consumer_families()
        for kind in family.kinds
        if "." in kind.group and kind.group
    }
    assert named == read - {"ingresses.networking.k8s.io"}
