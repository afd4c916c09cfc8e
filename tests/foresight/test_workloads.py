"""How a rollout replaces the pods of a workload."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.foresight.workloads import surges
from etpguard.objects import decode_item
from etpguard.objects.pod_controllers import DAEMON_SET, PodController
from tests.foresight.clusters import workload


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        ({}, False),
        ({"updateStrategy": {"type": "OnDelete"}}, False),
        ({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 1}}}, False),
        ({"updateStrategy": {"rollingUpdate": {"maxSurge": 0}}}, False),
        ({"updateStrategy": {"rollingUpdate": {"maxSurge": "0%"}}}, False),
        ({"updateStrategy": {"rollingUpdate": {"maxSurge": "00%"}}}, False),
        ({"updateStrategy": {"rollingUpdate": {"maxSurge": "10%"}}}, True),
    ],
)
def test_whether_a_daemon_set_surges(update: dict[str, Any], expected: bool) -> None:
    record = decode_item(DAEMON_SET, workload("DaemonSet", **update))
    assert isinstance(record, PodController)
    assert surges(record) is expected
