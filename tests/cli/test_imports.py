"""What a command loads: its start-up time is part of the tool."""

from __future__ import annotations

import subprocess
import sys

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


def loaded(*arguments: str) -> set[str]:
    script = _SCRIPT.format(arguments=arguments)
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
