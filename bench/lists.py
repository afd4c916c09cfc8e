"""`etpguard check` on a live large cluster, against three concurrent raw curls of the same lists, and kubectl."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.big_cluster import LISTS
from bench.pairs import alternate, show
from devcluster import Cluster, binaries

CHECK = [sys.executable, "-m", "etpguard", "check", "-A", "-o", "json"]


def check_live(cluster: Cluster, pairs: int) -> None:
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    ours, curls = alternate(CHECK, three_curls(cluster), environment, pairs)
    show("etpguard check, live", ours, "the three lists by three curls at once", curls)
    kubectl = shlex.join(
        [str(binaries.path("kubectl")), "get", "nodes,services,endpointslices", "-A", "-o", "json"]
    )
    ours, gets = alternate(CHECK, ["sh", "-c", f"exec {kubectl}"], environment, pairs)
    show("etpguard check, live", ours, "kubectl get nodes,services,endpointslices -o json", gets)


def check_file(cluster: Cluster, pairs: int, folder: Path) -> None:
    """A dump as kubectl prints it, counted by jq and judged by `check -f`."""
    dump = folder / "dump.json"
    listed = cluster.kubectl("get", "nodes,services,endpointslices", "-A", "-o", "json", timeout=300)
    dump.write_text(listed)
    print(f"the dump: {dump.stat().st_size / 1e6:.0f} MB")
    jq = shutil.which("jq")
    if jq is None:
        print("jq is not installed: check -f is not compared")
        return
    check = [sys.executable, "-m", "etpguard", "check", "-f", str(dump), "-o", "json"]
    ours, counted = alternate(check, [jq, ".items | length", str(dump)], dict(os.environ), pairs)
    show("etpguard check -f", ours, "jq '.items | length'", counted)


def three_curls(cluster: Cluster) -> Sequence[str]:
    """Raw lists over TLS, plain, all at once, thrown away."""
    token = cluster.tokens["admin"]
    one = "curl -sS --fail -o /dev/null --cacert {ca} -H 'Authorization: Bearer {token}' {server}{path} &"
    lines = [one.format(ca=cluster.ca, token=token, server=cluster.server, path=path) for path in LISTS.values()]
    return ["sh", "-c", "\n".join([*lines, "wait"])]
