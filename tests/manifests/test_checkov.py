"""checkov over manifests, rendered chart, Dockerfile and workflow. Its exceptions stand in .checkov.yaml, each
with its reason, and none that is not needed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster import MissingToolError, binaries
from tests.manifests.rendered import ROOT
from tests.manifests.sources import SOURCES

CONFIG = ROOT / ".checkov.yaml"
PROJECT = Path(__file__).parent / "checkov"
"""A uv project of its own, whose lock pins checkov and all that it needs, with hashes."""


def checkov(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it in `folder`; it is first installed from its lock into the cache folder, once."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise MissingToolError("uv is not installed, which installs checkov")
    python = "{}.{}".format(*sys.version_info)
    environment = {
        **os.environ,
        "UV_PROJECT_ENVIRONMENT": str(binaries.cache_directory().parent / f"checkov-{python}"),
        "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true",  # it asks PyPI on every start
    }
    environment.pop("VIRTUAL_ENV", None)
    install = ("--quiet", "--project", str(PROJECT), "--locked", "--no-build", "--python", sys.executable)
    return subprocess.run(
        [uv, "run", *install, "checkov", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )


def exceptions() -> dict[str, str]:
    """The reason of each check that is left out."""
    return dict(re.findall(r"^  - (CKV\w+)(?:  # (.+))?$", CONFIG.read_text(), re.MULTILINE))


def test_each_exception_has_a_reason() -> None:
    reasons = exceptions()
    assert list(reasons) == yaml.load(CONFIG.read_text(), yaml.CSafeLoader)["skip-check"]
    assert all(len(reason) > 20 for reason in reasons.values())


@pytest.mark.controlplane  # kubectl and helm are built from their Go modules, as the control plane is
def test_checkov_finds_the_exceptions_and_nothing_else(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Dockerfile", tmp_path)
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    for name, source in SOURCES.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump_all(source()))
    config = yaml.load(CONFIG.read_text(), yaml.CSafeLoader)
    del config["skip-check"]
    without = tmp_path / "config"
    without.write_text(yaml.safe_dump(config))
    done = checkov("--config-file", str(without), "--directory", ".", "--output", "json", folder=tmp_path)
    assert done.stdout.startswith("["), done.stdout + done.stderr
    reports: list[dict[str, Any]] = json.loads(done.stdout)
    assert {report["check_type"] for report in reports} == {*config["framework"]}
    assert all(report["summary"]["passed"] and not report["summary"]["parsing_errors"] for report in reports)
    found: dict[str, set[str]] = {}
    for report in reports:
        for failed in report["results"]["failed_checks"]:
            found.setdefault(failed["check_id"], set()).add(f"{failed['file_path']} {failed['resource']}")
    assert found.keys() == exceptions().keys(), found
