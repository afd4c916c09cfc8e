"""What the metrics say of kinds that are not read, by the state of each, and of the picture; nothing runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
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
        status.access, status.began, status.listed_at = Access.READ, time.monotonic(), 2.0


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


def not_assessed(operator: Operator) -> None:
    operator._absorber.problem = "etpguard failed to assess the Services: KeyError"


@pytest.mark.parametrize(
    ("set_up", "fresh"),
    [
        pytest.param([], False, id="not listed yet"),
        pytest.param([listed], True, id="listed and assessed"),
        pytest.param([listed, then(SERVICE, Access.FORBIDDEN, 1.0)], False, id="a required kind forbidden"),
        pytest.param([listed, not_assessed], False, id="listed, but the assessments fail"),
    ],
)
def test_the_picture_is_fresh_while_the_operator_may_write_from_it(
    tmp_path: Path, set_up: Sequence[Callable[[Operator], None]], fresh: bool
) -> None:
    assert f"etpguard_picture_fresh {fresh:.1f}" in scrape(tmp_path, *set_up)
