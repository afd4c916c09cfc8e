"""What a command loads: its start-up time is part of the tool."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import SEED

NAME = "default/nginx-nginx-ingress-controller"
_SCRIPT = """
import sys
from etpguard.__main__ import main
sys.argv = ["etpguard", *{arguments!r}]
try:
    main()
except SystemExit:
    pass
print(*sorted(sys.modules), file=sys.stderr)
"""


_UNTIL_IT_READS = """
import os, sys, threading
from etpguard.__main__ import main
def start(thread):
    print(*sys.modules, file=sys.stderr, flush=True)
    os._exit(0)
threading.Thread.start = start
main({arguments!r})
"""


def loaded(*arguments: str, script: str = _SCRIPT) -> set[str]:
    script = script.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("command", [["check"], ["explain", NAME]], ids=["check", "explain"])
def test_neither_kopf_nor_kubernetes_is_loaded(command: list[str]) -> None:
    modules = loaded(*command, "-f", str(SEED))
    assert "etpguard.assess.engine" in modules
    assert not modules & {"kopf", "kubernetes", "aiohttp", "asyncio", "prometheus_client"}


@pytest.mark.controlplane
def test_a_live_check_reads_with_the_standard_library(cluster_kubeconfig: str) -> None:
    modules = loaded("check", "--kubeconfig", cluster_kubeconfig)
    assert "http.client" in modules
    assert not modules & {"kopf", "kubernetes", "pykube", "requests", "aiohttp", "asyncio", "rich"}


def test_help_loads_next_to_nothing() -> None:
    assert not loaded("--help") & {"msgspec", "yaml", "pykube", "rich", "etpguard.assess"}


@pytest.mark.parametrize(
    "command",
    [
        ["check"],
        ["explain", NAME],
        ["explain", NAME, "--patch"],
        ["what-if", "lose", "node1"],
        ["verify", NAME],
        ["dump"],
    ],
    ids=" ".join,
)
def test_lists_begin_before_the_rules_are_loaded(command: list[str], tmp_path: Path) -> None:
    """To load them takes 40 ms, in which the API server makes its first answers."""
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    name, *rest = command
    modules = loaded(name, "--kubeconfig", str(tmp_path / "kubeconfig"), *rest, script=_UNTIL_IT_READS)
    assert "etpguard.cli.input.live" in modules
    assert not modules & {"etpguard.assess", "etpguard.foresight", "etpguard.report", "google.protobuf"}
