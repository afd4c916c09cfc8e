"""--skip-api-groups: kinds that are neither listed nor watched."""

from __future__ import annotations

import pytest

from etpguard.app.assessing import skipped_kinds
from etpguard.assess import picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.settings import SettingsError

KINDS = list(picture_for(consumer_families()).kinds)


def test_the_kinds_of_a_group() -> None:
    groups = {kind.group for kind in skipped_kinds(KINDS, frozenset({"cilium.io"}))}
    assert groups == {"cilium.io", "coordination.k8s.io"}, "the Leases of its L2 announcements, too"
    assert skipped_kinds(KINDS, frozenset()) == frozenset()


@pytest.mark.parametrize(
    "group", ["networking.k8s.io", "discovery.k8s.io", "coordination.k8s.io", "etpguard.dev", "cilium.example"]
)
def test_a_group_that_is_needed_or_unknown_is_refused(group: str) -> None:
    with pytest.raises(SettingsError, match=r"is not one of .*cilium\.io"):
        skipped_kinds(KINDS, frozenset({group}))
