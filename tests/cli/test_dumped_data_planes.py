"""A dump, anonymized or not, shows the data planes of the cluster."""

from __future__ import annotations

import pytest

from etpguard.cli.dump.anonymize import Anonymizer
from etpguard.cli.dump.vocabulary import vocabulary
from tests.assess.data_planes.clusters import Json, detect
from tests.assess.data_planes.offerings import EXPECTED, items
from tests.cli.dump_worlds import dumped


def found(objects: list[Json]) -> list[tuple[str, ...]]:
    """The groups, with the number of their nodes in place of the names."""
    groups = detect(objects).groups
    return [(str(len(group.nodes.split())), group.plane, group.evidence, group.how) for group in groups]


@pytest.mark.parametrize("case", sorted(EXPECTED))
def test_the_data_planes_are_those_of_the_cluster(case: str) -> None:
    before = found([*items(case)])
    dump = dumped([*items(case)])
    assert found(dump) == before
    names = Anonymizer(vocabulary(), b"salt", lambda: 7)
    names.learn(dump)
    assert found([names.item(item) for item in dump]) == before


def test_a_dump_has_nothing_of_the_objects_that_no_rule_reads() -> None:
    text = str(dumped([*items("kubeadm"), *items("k3s"), *items("openshift"), *items("antrea")]))
    for word in (
        "kubeconfig",
        "********",
        "fa:16:3e",
        "10.0.0.1/",
        "clusterCIDR",
        "cluster-init",
        "br-ex",
        "AllAlpha",
    ):
        assert word not in text
