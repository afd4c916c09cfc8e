"""What the package is made of, and what it must never hold."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.no_cover

ROOT = Path(__file__).parents[1]


def test_operator_stays_a_plain_folder() -> None:
    # As a package it would shadow the standard library's module of that name for whatever runs from here.
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_the_source_distribution_names_folders_of_the_root_alone() -> None:
    # Without the leading slash hatchling takes folders of that name from anywhere, from tests/ too.
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = settings["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert included
    assert [path for path in included if not path.startswith("/") or not (ROOT / path[1:]).exists()] == []


def test_what_the_image_is_built_with_has_hashes() -> None:
    """uv installs by the lock's; uv itself comes by pip, by those of .ci/uv.txt, which alone names its version."""
    recipe = (ROOT / "Dockerfile").read_text()
    installs = re.findall(r"pip install [^\n]+", recipe)
    assert installs
    assert all("--require-hashes" in line and "==" not in line for line in installs)
    assert "uv sync" in recipe
    assert "--locked" in recipe
    lines = [line for line in (ROOT / ".ci" / "uv.txt").read_text().splitlines() if not line.startswith("#")]
    assert re.fullmatch(r"uv==[\d.]+ \\", lines[0])
    assert len(lines) > 1
    assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines[1:])


WORKFLOWS = ROOT / ".github" / "workflows"


def workflow(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((WORKFLOWS / name).read_text(), yaml.CSafeLoader)
    return loaded


def pythons() -> set[str]:
    """The versions that pyproject.toml names, as `3.13`."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    return {found[1] for each in classifiers if (found := re.search(r"Python :: (3\.\d+)$", each))}


@pytest.mark.parametrize(
    ("file", "job"),
    [
        pytest.param("release.yaml", "test", id="a release"),
        pytest.param("pull-request.yaml", "everything", id="the schedule"),
    ],
)
def test_all_tests_run_with_every_python(file: str, job: str) -> None:
    """sudo would look for them on a PATH of its own, and a missing one would be skipped."""
    steps = workflow(file)["jobs"][job]["steps"]
    (setup,) = (step["with"] for step in steps if step.get("uses", "").startswith("actions/setup-python"))
    assert set(setup["python-version"].split()) == pythons()
    (everything,) = (step for step in steps if ".ci/run" in step.get("run", ""))
    assert everything["run"] == 'sudo -E env "PATH=$PATH" .ci/run'
    assert everything["env"] == {"EVERY_PYTHON": "true"}


def test_a_pull_request_is_linted_and_tested_with_every_python() -> None:
    jobs = workflow("pull-request.yaml")["jobs"]
    assert "make lint" in [step.get("run") for step in jobs["lint"]["steps"]]
    assert set(jobs["unit"]["strategy"]["matrix"]["python"]) == pythons()
    (unit,) = (step for step in jobs["unit"]["steps"] if step.get("run") == "make unit")
    assert unit["env"] == {"UV_PYTHON": "${{ matrix.python }}"}


def test_actions_are_pinned_by_commit() -> None:
    """A tag can be moved. The comment names the release, for the person who raises it."""
    lines = [line for file in WORKFLOWS.iterdir() for line in file.read_text().splitlines() if "uses:" in line]
    assert lines
    pinned = re.compile(r" *(- )?uses: [\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+(\.\d+)*")
    assert [line for line in lines if not pinned.fullmatch(line)] == []


def step(name: str) -> dict[str, Any]:
    """The step of the image's job with this id."""
    (found,) = (each for each in workflow("release.yaml")["jobs"]["image"]["steps"] if each.get("id") == name)
    return found  # type: ignore[no-any-return]


BASE = "python:3.13-slim-trixie"
"""Debian 13. Debian's security team supports it until August 2028, and Debian 12 no longer since June 2026."""


@pytest.mark.parametrize("place", ["Dockerfile", "docs/install.md", "CONTRIBUTING.md"])
def test_the_base_of_the_image_is_the_same_everywhere(place: str) -> None:
    assert set(re.findall(r"python:[\w.-]+", (ROOT / place).read_text())) == {BASE}


def test_a_release_is_built_on_the_digest_of_the_base() -> None:
    """The Dockerfile names a tag, because a digest there would become old. The release resolves it."""
    assert "BASE=${{ steps.what.outputs.base }}" in step("build")["with"]["build-args"].splitlines()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        pytest.param(f"sha256:{'0f' * 32}", 0, id="a digest"),
        pytest.param("", 1, id="no digest"),
        pytest.param("sha256:0f", 1, id="half a digest"),
    ],
)
def test_a_release_without_a_digest_is_refused(answer: str, code: int, tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho {answer}\n")
    docker.chmod(0o755)
    output = tmp_path / "output"
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step("what")["run"]],  # as `shell: bash` of a workflow
        cwd=ROOT,
        env={
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "GITHUB_OUTPUT": str(output),
            "GITHUB_REF_NAME": "v0.1.0",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert f"base={BASE}@{answer}\n" in output.read_text() if code == 0 else not output.exists()


DISTRIBUTIONS = {
    "yaml": "pyyaml",
    "google": "protobuf",
    "pykube": "pykube-ng",
    "prometheus_client": "prometheus-client",
    "pythonjsonlogger": "python-json-logger",
}
"""The names on the package index of modules that have another name."""


def test_the_package_declares_what_it_imports() -> None:
    """`rich` is optional: the image does not have it, and the command line works without it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[^\w-]", each)[0] for each in project["dependencies"]}
    imported = {
        name
        for file in (ROOT / "operator").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    outside = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {"etpguard"}
    assert {DISTRIBUTIONS.get(name, name) for name in outside} <= declared | {"rich"}
    assert [each for each in project["optional-dependencies"]["cli"] if each.startswith("rich")]


def test_the_hooks_before_a_commit_are_what_make_lint_runs() -> None:
    config = yaml.load((ROOT / ".pre-commit-config.yaml").read_text(), yaml.CSafeLoader)
    hooks = [hook["entry"] for repository in config["repos"] for hook in repository["hooks"]]
    recipe = (ROOT / "Makefile").read_text()
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", recipe, re.MULTILINE)
    assert lint is not None
    commands = [
        line.replace("$(RUN)", "uv run --locked --").replace("$(UV)", "uv") for line in lint[1].splitlines()
    ]
    assert hooks == [command.strip() for command in commands]


def test_uv_is_installed_by_its_hashes() -> None:
    recipe = (ROOT / "Makefile").read_text()
    installs = [line.strip() for line in recipe.splitlines() if "pip install" in line]
    assert installs == ["$(CACHE)/uv/bin/pip install --quiet --require-hashes -r .ci/uv.txt"]


@pytest.mark.parametrize(
    ("every", "code", "says"),
    [pytest.param("", 0, "skipped", id="skipped"), pytest.param("true", 1, "failed with Python", id="demanded")],
)
def test_a_python_that_is_not_there(every: str, code: int, says: str, tmp_path: Path) -> None:
    """On a machine that has none but the one that all other tests ran with."""
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\n[ $1 = run ] && echo 3.13\n")
    uv.chmod(0o755)
    done = subprocess.run(
        [ROOT / ".ci" / "pythons", "--others"],
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path), "UV": str(uv), "EVERY_PYTHON": every},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == code, done.stdout
    assert "Python 3.12: not on this machine" in done.stdout
    assert says in done.stdout


def test_an_installer_names_python_where_it_is_too_old_or_too_new() -> None:
    """Without an upper bound, an installer tries to build dependencies that have no wheel for a new Python."""
    bounds = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", declared()["requires-python"])
    assert bounds is not None
    minors = sorted(int(version.partition(".")[2]) for version in pythons())
    assert (int(bounds[1]), int(bounds[2]) > minors[-1]) == (minors[0], True)
    versions = re.search(r"^for version in (.+); do$", (ROOT / ".ci" / "pythons").read_text(), re.MULTILINE)
    assert versions is not None
    assert versions[1].split()[-1] == f"3.{int(bounds[2]) - 1}", "the last one that make pythons runs"


def declared() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project
