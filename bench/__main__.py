"""`make bench`: loads the large cluster once and runs the parts named, or all.

`python -m bench.race`, which needs a data plane and no large cluster, stands by itself.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import devcluster
from bench import big_cluster, latency, lists, operator, updates
from devcluster import binaries

PARTS = ("check", "file", "start", "updates", "latency", "churn")
FLAGS = (
    "--service-node-port-range=20000-42000",
    "--max-requests-inflight=800",
    "--max-mutating-requests-inflight=400",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--nodes", type=int, default=5_000)
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--local", type=int, default=2_000)
    parser.add_argument("--churn-seconds", type=float, default=600)
    parser.add_argument("--updates-rate", type=float, default=1500)
    parser.add_argument("--churn-rate", type=float, default=100)
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    parts = given.parts or PARTS
    size = big_cluster.Size(nodes=given.nodes, services=given.services, local=given.local)
    binaries.path("kubectl")
    with devcluster.start(audit_level="None", controllers=(), apiserver_flags=FLAGS) as cluster:
        began = time.monotonic()
        print(f"loading {size}", flush=True)
        big_cluster.load(cluster, size)
        print(f"loaded in {time.monotonic() - began:.0f} s", flush=True)
        cluster.kubectl("apply", "--server-side", "-f", str(Path(__file__).parent.parent / "crds"))
        with big_cluster.at_work(cluster):
            if "check" in parts:
                lists.check_live(cluster, given.pairs)
            if "file" in parts:
                lists.check_file(cluster, given.pairs, cluster.directory)
            if "start" in parts:
                operator.start(cluster, given.pairs)
        if "updates" in parts:
            updates.updates(cluster, size, given.updates_rate)
        if "latency" in parts:
            latency.latency(cluster, size, given.churn_rate)
        if "churn" in parts:
            operator.churn(cluster, size, given.churn_seconds, given.churn_rate)


if __name__ == "__main__":
    main()
