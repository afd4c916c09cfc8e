"""``python -m devcluster build|kubernetes|up``."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys

import devcluster
from devcluster import binaries


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m devcluster", description="A real Kubernetes control plane on one machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build programs that are not there yet, and print their paths")
    build.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(binaries.PROGRAMS)}")
    kubernetes = commands.add_parser(
        "kubernetes", help="build another version of Kubernetes, and print the folder for KUBEBUILDER_ASSETS"
    )
    kubernetes.add_argument("version", metavar="VERSION", help="such as 1.30.14")
    up = commands.add_parser("up", help="run a control plane until Ctrl-C")
    up.add_argument("--scheduler", action="store_true", help="with kube-scheduler")
    up.add_argument("--bind-address", default="127.0.0.1", metavar="ADDRESS", help="of the API server")
    arguments = parser.parse_args()
    try:
        if arguments.command == "build":
            return _build(arguments.names)
        if arguments.command == "kubernetes":
            print(binaries.kubernetes(f"v{arguments.version.removeprefix('v')}"))
            return 0
        return _up(arguments.scheduler, arguments.bind_address)
    except devcluster.DevclusterError as error:
        print(f"devcluster: {error}", file=sys.stderr)
        return 1


def _build(names: list[str]) -> int:
    unknown = [name for name in names if name not in binaries.PROGRAMS]
    if unknown:
        print(f"devcluster: no such program: {', '.join(unknown)}", file=sys.stderr)
        return 2
    default = [name for name, program in binaries.PROGRAMS.items() if not program.on_demand]
    for name, program in binaries.paths(names or default).items():
        print(f"{name}\t{program}", flush=True)
    return 0


def _up(scheduler: bool, bind_address: str) -> int:
    # A shell that starts it in the background has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with (
        contextlib.suppress(KeyboardInterrupt),
        devcluster.start(scheduler=scheduler, bind_address=bind_address) as cluster,
    ):
        print(f"export KUBECONFIG={cluster.kubeconfig}", flush=True)
        print(f"devcluster: {cluster.server}, logs in {cluster.directory}; Ctrl-C ends it", file=sys.stderr)
        while True:
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
