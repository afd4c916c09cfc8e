"""How long `etpguard what-if drain` takes on the dump of a large cluster, beside `etpguard check` on that file.

    python -m bench.what_if [--nodes N] [--services N] [--local N] [--pods] [--rounds N] …

With `--pods` the dump has a Pod for each endpoint of the Local Services; without, it has none, and `what-if` takes
the endpoints for pods. Times are CPU seconds of the whole process; medians of `--rounds` pairs.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from bench.large_cluster import large_cluster, size_options
from etpguard.objects import ENDPOINT_SLICE

Json = dict[str, Any]


def main() -> None:
    parser = size_options(__doc__ or "", rounds=5)
    parser.add_argument("--pods", action="store_true", help="the dump has Pods")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder, "dump.json")
        drained = _write(options, dump)
        commands = {"check": ["check"], f"what-if drain {drained}": ["what-if", "drain", drained]}
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, arguments in commands.items():
                times[name].append(_cpu([*arguments, "-f", str(dump)]))
        size = dump.stat().st_size / 1e6
    print(f"{options.nodes} nodes, {options.services} Services of which {options.local} Local, {size:.0f} MB")
    base = statistics.median(times["check"])
    for name, found in times.items():
        median = statistics.median(found)
        print(f"{name:50} {median:7.2f} s  {median / base:6.3f} x")


def _cpu(arguments: list[str]) -> float:
    """The CPU time of one run of the program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run([sys.executable, "-m", "etpguard", *arguments], capture_output=True, check=False)
    if run.returncode not in (0, 1):
        raise SystemExit(run.stderr.decode())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _write(options: argparse.Namespace, path: Path) -> str:
    """Write the dump; the name of the node to drain."""
    items: list[Json] = []
    for kind, found in large_cluster(options):
        items += [{"apiVersion": kind.api_version, "kind": kind.name, **each} for each in found]
        if kind == ENDPOINT_SLICE:
            for slice_ in found[: options.local]:
                items += _pods(slice_, options.pods)
    path.write_bytes(msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": items}))
    return str(next(item["metadata"]["name"] for item in items if item["kind"] == "Node"))


def _pods(slice_: Json, wanted: bool) -> list[Json]:
    """Give the endpoints pods; the Pods, where they are wanted."""
    made = []
    service, namespace = (
        slice_["metadata"]["labels"]["kubernetes.io/service-name"],
        slice_["metadata"]["namespace"],
    )
    for number, endpoint in enumerate(slice_["endpoints"]):
        name = f"{service}-{number}"
        endpoint["targetRef"] = {"kind": "Pod", "name": name}
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": service, "controller": True}
        made.append(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": name,
                    "namespace": namespace,
                    "labels": {"app": service},
                    "ownerReferences": [owner],
                },
                "spec": {"nodeName": endpoint["nodeName"], "containers": [{"name": "c"}]},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
            }
        )
    return made if wanted else []


if __name__ == "__main__":
    main()
