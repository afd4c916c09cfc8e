"""The demo, as `make demo` runs it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from demo.__main__ import SHORTENED, defaults
from devcluster import binaries
from tests.docs.console import ROOT

pytestmark = pytest.mark.controlplane


def test_each_step_shows_what_the_cluster_says() -> None:
    binaries.path("kube-proxy")
    done = subprocess.run(
        [sys.executable, "-m", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    steps = re.split(r"^={20,}$", done.stdout, flags=re.MULTILINE)
    outcomes = [
        re.findall(r"^(\w+) +default/nginx-nginx-ingress-controller ", step, re.MULTILINE) for step in steps
    ]
    assert [found for found in outcomes if found] == [["TargetsUnhealthy"], ["TargetsUnhealthy"], ["Covered"]]
    last = steps[-1]
    assert "NodesCovered" in last
    assert 'outcome="Covered"' in last
    assert last.rstrip().endswith("stopped; no process is left")


def test_the_demo_names_the_default_of_each_setting_that_it_shortens() -> None:
    assert defaults() == "--hold 30s, --hold-urgent 5s, --condition-interval 1m, --event-interval 1m"
    assert all(f"--{name} " in defaults() for name in SHORTENED)
