"""The worked example of CONTRIBUTING.md, in a copy of the repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.console import ROOT

_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PACKAGE = Path("operator/etpguard/assess/consumers")
_FAMILY = _PACKAGE / "families/edge.py"
_TESTS = Path("tests/assess/consumers")
_TEST = _TESTS / "families/test_edge.py"


def test_a_consumer_is_added_as_the_page_says(tmp_path: Path) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    test, family = _PYTHON.findall(text)
    for name in (str(_TEST), str(_FAMILY), "`Edge(),`"):
        assert name in text
    shutil.copytree(ROOT / "operator", tmp_path / "operator", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / _TESTS, tmp_path / _TESTS, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / _TEST).write_text(test)
    before = _run(tmp_path, "pytest", "-q", "-p", "no:cacheprovider", str(_TEST))
    assert before.returncode == 1, "the test passes without the family"
    (tmp_path / _FAMILY).write_text(family)
    registry = tmp_path / _PACKAGE / "registry.py"
    lines = registry.read_text().replace("        MetalLB(),\n", "        MetalLB(),\n        Edge(),\n")
    place = "from etpguard.assess.consumers.families.eks_auto"
    registry.write_text(lines.replace(place, f"from etpguard.assess.consumers.families.edge import Edge\n{place}"))
    after = _run(tmp_path, "pytest", "-q", "-p", "no:cacheprovider", str(_TEST))
    assert after.returncode == 0, after.stdout + after.stderr
    new = [str(tmp_path / file) for file in (_FAMILY, _TEST, registry)]
    for command in (["ruff", "check", *new], ["ruff", "format", "--check", *new], ["mypy", new[0]]):
        done = _run(tmp_path, *command)
        assert done.returncode == 0, done.stdout + done.stderr


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = {"PYTHONPATH": str(folder / "operator"), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=path, capture_output=True, text=True, timeout=240
    )
