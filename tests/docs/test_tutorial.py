"""The commands of docs/tutorial.md for terminal B, as the page has them, and what it says about their results."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import devcluster
from devcluster.objects import wait_for
from tests.docs.console import ROOT
from tests.manifests.prometheus import tool
from tests.manifests.shell import Shell

PAGE = ROOT / "docs" / "tutorial.md"
NOT_RUN = ("devcluster up", "uv tool install", "prometheus --config.file", "kill %")


def blocks() -> list[str]:
    """The blocks that the test runs."""
    found = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    kept = [block for block in found if not any(word in block for word in NOT_RUN)]
    assert len(found) - len(kept) == len(NOT_RUN)
    return kept


@pytest.mark.controlplane
def test_the_tutorial(tmp_path: Path) -> None:
    """The operator listens on other ports, and its log and the objects of the page are read after each block."""
    with devcluster.start() as cluster:
        sh = Shell(cluster, tmp_path)
        # A free port; the page is for a person with one operator.
        sh.environment |= {
            "ETPGUARD_LISTEN": "127.0.0.1:0",
            "ETPGUARD_PAGE": "off",
            "ETPGUARD_HOLD_URGENT": "100ms",
        }
        wait_for(lambda: cluster.request("GET", "/api/v1/namespaces/default").ok, what="the namespace default")
        operator = f"etpguard run > {tmp_path}/etpguard.log 2>&1 & operator=$!"
        script = []
        for number, block in enumerate(blocks()):
            if "etpguard run" in block:
                assert block == "etpguard run > etpguard.log 2>&1 &\n"
                block = f"{operator}\ntrap 'kill $operator' EXIT\n"
            if "etpguard uninstall" in block:
                block = f"kill $operator; wait $operator || true; trap - EXIT\n{block}"
            script.append(f"echo '== {number}'\n{block}")
        said = sh("".join(script), timeout=480)
        parts = re.split(r"^== \d+\n", said, flags=re.MULTILINE)[1:]
        results = dict(zip((block.splitlines()[0] for block in blocks()), parts, strict=True))
        found = results['etpguard check -A || echo "exit code $?"']
        assert re.search(r"^Blackhole +shop/web +2/3 +node2, node3$", found, re.MULTILINE)
        assert "exit code 1" in found
        assert "health check: HTTP /healthz on port 10256" in results["etpguard explain shop/web"]
        preview = results["kubectl apply --server-side -f crds/"]
        assert re.search(r"^shop/web +Blackhole +CoveragePolicy shop/tutorial +dry run ", preview, re.MULTILINE)
        assert "after 5 s" in preview
        assert (
            "TrafficBlackhole" in results["until kubectl get cov -n shop web > /dev/null 2>&1; do sleep 1; done"]
        )
        enforced = next(part for first, part in results.items() if "Enforce" in first)
        assert "NotAffected (remediated)" in enforced
        assert "to undo: etpguard rollback shop/web" in enforced
        assert "exit code 1" in results["etpguard rollback shop/web"]
        healed = next(part for first, part in results.items() if "healthcheck-port=traffic-port" in first)
        assert re.search(r"^TargetsUnhealthy +shop/web", healed, re.MULTILINE)
        removed = results["etpguard uninstall --remediations keep --dry-run"]
        assert "ServiceCoverage shop/web: deleted\n" in removed
        assert "etpguard" not in cluster.kubectl("get", "crds,namespaces", "-o", "name")


def test_prometheus_takes_the_configuration() -> None:
    done = subprocess.run(
        [tool("promtool"), "check", "config", "examples/tutorial/prometheus.yaml"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
