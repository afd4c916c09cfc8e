"""The manifests beside each dump of examples/ are what a user applies."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import devcluster
from devcluster.objects import apply
from manifests import examples
from tests.manifests.installed import foreign_kinds

FOLDERS = sorted(dump.parent for dump in examples.EXAMPLES.glob(f"*/{examples.DUMP}"))


@pytest.mark.parametrize("folder", [pytest.param(folder, id=folder.name) for folder in FOLDERS])
def test_a_dump_says_that_it_is_one_and_has_manifests_beside_it(folder: Path) -> None:
    assert (folder / examples.DUMP).read_text().startswith("# A dump of a cluster")
    text = (folder / "manifests.yaml").read_text()
    assert "kubectl apply -f" in text
    kinds = [each["kind"] for each in yaml.load_all(text, yaml.CSafeLoader)]
    assert "Service" in kinds
    assert {"Node", "EndpointSlice", "List"} & set(kinds) == set()


@pytest.mark.controlplane
def test_the_api_server_accepts_them() -> None:
    """One after the other: the examples have node ports in common."""
    with devcluster.start() as cluster:
        apply(cluster, foreign_kinds())
        for folder in FOLDERS:
            file = str(folder / "manifests.yaml")
            cluster.kubectl("apply", "-f", file)
            kept = [
                each
                for each in yaml.load_all(Path(file).read_text(), yaml.CSafeLoader)
                if each["kind"] != "Namespace"
            ]
            body = yaml.safe_dump_all(kept)
            cluster.kubectl("delete", "--wait=true", "-f", "-", input=body)
