"""What the metrics say of kinds that are not read, by the state of each; nothing runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from etpguard.app.operator import Operator
from etpguard.intake.freshness import Access
from etpguard.kube.connection import Connection
from etpguard.objects import INGRESS, SERVICE, AnyKind
from etpguard.settings import Settings


def scrape(folder: Path, *set_up: Callable[[Operator], None]) -> str:
    async def run() -> str:
        cluster = {"name": "c", "cluster": {"server": "https://192.0.2.1"}}
        document = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c"}}],
            "clusters": [cluster],
        }
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(document))
        operator = Operator(Settings(), Connection(kubeconfig))
        for each in set_up:
            each(operator)
        return operator.metrics.snapshot()().decode()

    return asyncio.run(run())


def listed(operator: Operator) -> None:
    for status in operator.freshness.kinds.values():
        status.access, status.began, status.listed_at = Access.READ, 1.0, 2.0


def then(kind: AnyKind, access: Access, began: float | None) -> Callable[[Operator], None]:
    def set_up(operator: Operator) -> None:
        status = operator.freshness.kinds[kind]
        status.access, status.began, status.problem = access, began, "no"
        status.listed_at = status.listed_at if began else None

    return set_up


@pytest.mark.parametrize(
    ("kind", "access", "began", "unread", "present"),
    [
        pytest.param(INGRESS, Access.READ, 1.0, False, True, id="read"),
        pytest.param(INGRESS, Access.ABSENT, None, False, False, id="gone"),
        pytest.param(INGRESS, Access.FORBIDDEN, None, True, False, id="forbidden"),
        pytest.param(INGRESS, Access.FAILING, None, True, False, id="failing"),
        pytest.param(SERVICE, Access.FORBIDDEN, 1.0, True, True, id="a required one forbidden"),
        pytest.param(SERVICE, Access.FORBIDDEN, None, True, False, id="a required one forbidden from the start"),
    ],
)
def test_a_kind(
    tmp_path: Path, kind: AnyKind, access: Access, began: float | None, unread: bool, present: bool
) -> None:
    text = scrape(tmp_path, listed, then(kind, access, began))
    assert (f'etpguard_unread_kind{{kind="{kind.resource}"}} 1.0' in text) is unread
    assert (f'etpguard_last_list_timestamp_seconds{{kind="{kind.resource}"}}' in text) is present
