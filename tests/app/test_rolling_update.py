"""A rolling update of a DaemonSet behind an ALB, on the real control plane: at most one pair of Events.

The recovery waits for its turn, since an object gets one Event a minute at most (here one in 30 s).
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from devcluster import Cluster
from devcluster.objects import delete, pod, set_ready, terminate, wait_for
from tests.app.alb import Shop, shop
from tests.app.harness import Running

pytestmark = pytest.mark.controlplane

HOLD = 1.0
EVENT_INTERVAL = 30.0
"""An object gets one Event in a time that is longer than the update."""


def events(web: Shop) -> list[dict[str, Any]]:
    found = web.cluster.call("GET", f"/apis/events.k8s.io/v1/namespaces/{web.namespace}/events")["items"]
    return [e for e in found if e["reportingController"].startswith("etpguard")]


def replace_pod(web: Shop, number: int, down: float) -> None:
    """On one node, as a kubelet reports it: the old pod ends, and the new one is ready some time later."""
    old = {"kind": "Pod", "metadata": {"namespace": web.namespace, "name": f"old-{number}"}}
    terminate(web.cluster, old)
    time.sleep(0.2)
    set_ready(web.cluster, old, False)
    delete(web.cluster, old)
    address, node = f"10.8.{number}.2", web.nodes[number - 1]
    fresh = pod(web.cluster, web.namespace, f"new-{number}", node, {"app": "web"}, ip=address, ready=False)
    time.sleep(down)
    set_ready(web.cluster, fresh, True)


@pytest.mark.parametrize("down", [HOLD / 4, 2.5 * HOLD], ids=["quicker than the hold", "slower than the hold"])
def test_at_most_one_pair_of_events(cluster: Cluster, namespace: str, down: float) -> None:
    settings = {
        "write_events": True,
        "leader_elect": False,
        "hold": HOLD,
        "hold_urgent": HOLD,
        "event_interval": EVENT_INTERVAL,
    }
    with shop(cluster, namespace) as web:
        for number in (1, 2, 3):
            web.pod(f"old-{number}", number)
        delete(cluster, {"kind": "Pod", "metadata": {"namespace": namespace, "name": "a"}})
        with Running(cluster.kubeconfig, namespaces=frozenset({namespace}), **settings) as running:
            running.wait_fresh()
            web.wait(running, "Covered", "instance")
            seen = []
            for number in (1, 2, 3):
                replace_pod(web, number, down)
                seen.append(web.reported(running)[0])
            web.wait(running, "Covered", "instance")
            if down > HOLD:

                def recovered() -> bool:
                    return {"NodesCovered"} <= {
                        e["reason"] for e in events(web) if e["regarding"]["kind"] == "Service"
                    }

                wait_for(recovered, 90, "the recovery")
            time.sleep(3 * HOLD)
            made = events(web)
    said = Counter((e["regarding"]["kind"], e["reason"]) for e in made)
    pair = ("NodesUncovered", "NodesCovered")
    if down > HOLD:
        assert said == {(kind, reason): 1 for kind in ("Service", "Ingress") for reason in pair}
    else:
        assert not said
