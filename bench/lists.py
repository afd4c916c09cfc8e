"""`etpguard check` on a large cluster, beside raw curls of the same lists and beside kubectl."""

from __future__ import annotations

import contextlib
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.big_cluster import LISTS
from bench.checkouts import Checkout
from bench.pairs import Command, alternate, show
from devcluster import Cluster, binaries
from devcluster.tcp_proxy import TcpProxy

JSON = "application/json"
PROTOBUF = "application/vnd.kubernetes.protobuf"
BITS_PER_SECOND = 50e6
ROUND_TRIP = 0.040


def check_live(cluster: Cluster, pairs: int, checkouts: Sequence[Checkout]) -> dict[str, object]:
    """Beside the API server."""
    commands = [
        *checks(cluster, cluster.kubeconfig, checkouts),
        three_curls(cluster, JSON),
        three_curls(cluster, PROTOBUF),
        kubectl(cluster.kubeconfig),
    ]
    return show("check, live, beside the API server", commands, alternate(commands, pairs))


def check_wire(cluster: Cluster, pairs: int, checkouts: Sequence[Checkout]) -> dict[str, object]:
    """Over a network such as that of an office. The curls ask for gzip, as kubectl does."""
    with slow_wire(cluster) as proxy:
        kubeconfig = cluster.kubeconfig_for(server=proxy.server)
        commands = [
            *checks(cluster, kubeconfig, checkouts),
            three_curls(cluster, JSON, proxy.server, gzip=True),
            three_curls(cluster, PROTOBUF, proxy.server, gzip=True),
            kubectl(kubeconfig),
        ]
        title = f"check, live, over {BITS_PER_SECOND / 1e6:.0f} Mbit/s and {ROUND_TRIP * 1e3:.0f} ms of round trip"
        return show(title, commands, alternate(commands, pairs))


def check_file(cluster: Cluster, pairs: int, checkouts: Sequence[Checkout]) -> dict[str, object]:
    """A dump as kubectl prints it, counted by jq and judged by `check -f`."""
    dump = cluster.directory / "dump.json"
    dump.write_text(cluster.kubectl("get", "nodes,services,endpointslices", "-A", "-o", "json", timeout=300))
    jq = shutil.which("jq")
    if jq is None:
        print("jq is not installed: check -f is not compared with it")
    commands = [
        Command(f"etpguard check -f{_of(each)}", each.etpguard("check", "-f", str(dump), "-o", "json"), each.env)
        for each in checkouts
    ]
    if jq is not None:
        commands.append(Command("jq '.items | length'", [jq, ".items | length", str(dump)]))
    runs = alternate(commands, pairs)
    figures = show(f"check of a dump of {dump.stat().st_size / 1e6:.0f} MB", commands, runs)
    dump.unlink()
    return figures


@contextlib.contextmanager
def slow_wire(cluster: Cluster) -> Iterator[TcpProxy]:
    with TcpProxy(cluster.server) as proxy:
        proxy.wire(BITS_PER_SECOND, ROUND_TRIP)
        yield proxy


def checks(cluster: Cluster, kubeconfig: Path, checkouts: Sequence[Checkout]) -> list[Command]:
    return [
        Command(
            f"etpguard check{_of(each)}",
            each.etpguard("check", "-A", "-o", "json"),
            {**each.env, "KUBECONFIG": str(kubeconfig)},
        )
        for each in checkouts
    ]


def three_curls(cluster: Cluster, accept: str, server: str = "", *, gzip: bool = False) -> Command:
    """Raw lists over TLS, all at once, thrown away."""
    headers = [f"Authorization: Bearer {cluster.tokens['admin']}", f"Accept: {accept}"]
    headers += ["Accept-Encoding: gzip"] if gzip else []
    options = ["-sS", "--fail", "-o", "/dev/null", "--cacert", str(cluster.ca)]
    options += [word for header in headers for word in ("-H", header)]
    lines = [f"{shlex.join(['curl', *options, (server or cluster.server) + path])} &" for path in LISTS.values()]
    name = f"three curls, {'JSON' if accept == JSON else 'protobuf'}{', gzip' if gzip else ''}"
    return Command(name, ["sh", "-c", "\n".join([*lines, "wait"])])


def kubectl(kubeconfig: Path) -> Command:
    words = [str(binaries.path("kubectl")), "get", "nodes,services,endpointslices", "-A", "-o", "json"]
    return Command("kubectl get -o json", words, {"KUBECONFIG": str(kubeconfig)})


def _of(checkout: Checkout) -> str:
    return f" ({checkout.name})" if checkout.name else ""
