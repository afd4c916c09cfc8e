"""etpguard beside tools that read the same kinds, where they are installed.

    bench/peers [--pairs 9] [--kubeconfig FILE]

Runs on the current context, and changes nothing there.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

from bench.checkouts import HERE, Checkout
from bench.pairs import Command, alternate, show
from devcluster import binaries

TOOLS = {
    "popeye": ("-A", "-s", "no,svc", "-o", "json", "--force-exit-zero"),
    "kubectl": ("get", "nodes,services,endpointslices", "-A", "-o", "json"),
}
"""The arguments with which each reads Nodes, Services and their endpoints of all namespaces."""


def compare(kubeconfig: Path | None, pairs: int) -> dict[str, object]:
    """The figures of the tools that are installed; `missing` names the others."""
    env = {"KUBECONFIG": str(kubeconfig)} if kubeconfig else {}
    here = Checkout.at("", HERE)
    commands = [Command("etpguard check", here.etpguard("check", "-A", "-o", "json"), {**here.env, **env})]
    missing = []
    for tool, arguments in TOOLS.items():
        if path := _find(tool):
            commands.append(Command(tool, [path, *arguments], env))
        else:
            missing.append(tool)
            print(f"{tool} is not installed: it is not compared")
    figures: dict[str, object] = {"missing": missing}
    if len(commands) > 1:
        figures |= show("etpguard beside other tools", commands, alternate(commands, pairs))
    return figures


def _find(tool: str) -> str | None:
    """On PATH, or the one of the embedded control plane."""
    built = binaries.find(tool) if tool in binaries.PROGRAMS else None
    return shutil.which(tool) or (str(built) if built else None)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/peers", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--kubeconfig", type=Path, default=os.environ.get("KUBECONFIG"))
    given = parser.parse_args()
    compare(given.kubeconfig, given.pairs)


if __name__ == "__main__":
    main()
