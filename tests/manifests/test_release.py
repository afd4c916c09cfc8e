"""What a release publishes, as far as it can be checked without a publisher: wheel, chart, krew manifest."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from devcluster import MissingToolError, binaries
from etpguard import __version__
from manifests import krew
from tests.manifests.rendered import CHART, IMAGE

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
SEED = ROOT / "examples" / "nginx-alb" / "cluster-state.yaml"
SCHEMA = json.loads((Path(__file__).parent / "krew-plugin.schema.json").read_text())
URL = "https://example.com/o/etpguard/releases/download/v1"
PLATFORMS = ("linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64", "windows-amd64")


def run(*command: str | Path, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "KUBECONFIG")}
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=kept | environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def uv() -> str:
    found = os.environ.get("UV") or shutil.which("uv")
    if not found:
        raise MissingToolError("uv is not on this machine")
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("built")
    run(uv(), "build", "--quiet", "--out-dir", folder)
    return folder


class TestWheel:
    def test_the_index_would_take_both(self, built: Path) -> None:
        files = sorted(built.glob("etpguard-*"))
        assert [file.name.removeprefix(f"etpguard-{__version__}") for file in files] == [
            "-py3-none-any.whl",
            ".tar.gz",
        ]
        assert run(sys.executable, "-m", "twine", "check", "--strict", *files).count("PASSED") == 2

    def test_the_wheel_runs_without_a_checkout(self, built: Path, tmp_path: Path) -> None:
        (wheel,) = built.glob("*.whl")
        tool = (uv(), "tool", "run", "--isolated", "--python", sys.executable, "--from")
        assert run(*tool, wheel, "etpguard", "version").startswith(f"etpguard {__version__} ")
        for program in ("etpguard", "kubectl-etpguard"):
            assert "TargetsUnhealthy" in run(*tool, f"{wheel}[cli]", program, "check", "-f", SEED)

    def test_the_wheel_is_a_tool_in_an_empty_home(self, built: Path, tmp_path: Path) -> None:
        """As `uv tool install` of a user. The cache of downloads is the present one."""
        (wheel,) = built.glob("*.whl")
        downloads = run(uv(), "cache", "dir").strip()
        home = {"HOME": str(tmp_path), "UV_CACHE_DIR": downloads, "XDG_DATA_HOME": "", "XDG_BIN_HOME": ""}
        run(uv(), "tool", "install", "--quiet", "--python", sys.executable, f"{wheel}[cli]", **home)
        programs = tmp_path / ".local" / "bin"
        names = ["etpguard", "kubectl-etpguard", "kubectl_complete-etpguard"]
        assert sorted(file.name for file in programs.iterdir()) == names
        for name in names[:2]:
            assert run(programs / name, "version", **home).startswith(f"etpguard {__version__} ")
            assert "TargetsUnhealthy" in run(programs / name, "check", "-f", SEED, **home)
        assert "explain" in run(programs / names[2], "ex", **home)
        assert [file.name for file in tmp_path.iterdir()] == [".local"], "a command writes nothing to HOME"


def test_the_chart_renders_from_its_archive(tmp_path: Path) -> None:
    helm = binaries.path("helm")
    home = {"HOME": str(tmp_path), "HELM_CACHE_HOME": str(tmp_path), "HELM_CONFIG_HOME": str(tmp_path)}
    version = ("--version", __version__, "--app-version", __version__)
    run(helm, "package", CHART, "--destination", tmp_path, *version, **home)
    archive = tmp_path / f"etpguard-{__version__}.tgz"
    rendered = [
        run(helm, "template", "etpguard", place, "--include-crds", "--set", IMAGE,
            "--kube-version", binaries.KUBERNETES_VERSION, **home)
        for place in (archive, CHART)
    ]  # fmt: skip
    assert rendered[0] == rendered[1]
    with tarfile.open(archive) as opened:
        assert "etpguard/values.schema.json" in opened.getnames()


class TestKrew:
    @pytest.fixture
    def archives(self, tmp_path: Path) -> list[Path]:
        made = []
        for name in PLATFORMS:
            ending = "zip" if name.startswith("windows") else "tar.gz"
            made.append(tmp_path / f"kubectl-etpguard-{name}.{ending}")
            made[-1].write_text(name)
        return made

    def test_the_manifest_is_valid(self, archives: list[Path]) -> None:
        printed = run(
            sys.executable,
            "-m",
            "manifests.krew",
            __version__,
            URL,
            *archives,
        )
        made = yaml.load(printed, yaml.CSafeLoader)
        jsonschema.Draft7Validator(SCHEMA).validate(made)
        windows = next(
            each for each in made["spec"]["platforms"] if each["selector"]["matchLabels"]["os"] == "windows"
        )
        assert windows == {
            "selector": {"matchLabels": {"os": "windows", "arch": "amd64"}},
            "uri": "https://example.com/o/etpguard/releases/download/v1/kubectl-etpguard-windows-amd64.zip",
            "sha256": hashlib.sha256(b"windows-amd64").hexdigest(),
            "bin": "kubectl-etpguard/kubectl-etpguard.exe",
        }
        assert made["spec"]["homepage"] == "https://example.com/o/etpguard"
        assert len(made["spec"]["shortDescription"]) <= 66  # so that `kubectl krew search` does not cut it

    def test_krew_itself_accepts_the_manifest(self, archives: list[Path], tmp_path: Path) -> None:
        made = tmp_path / "etpguard.yaml"
        made.write_text(yaml.safe_dump(krew.manifest(__version__, URL, archives)))
        run(binaries.path("validate-krew-manifest"), "-skip-install", "-manifest", made)

    def test_krew_installs_the_archive_and_kubectl_finds_the_plugin(self, tmp_path: Path) -> None:
        """The program of the archive is a script here; `.ci/plugin` makes the real one, which takes minutes."""
        program = tmp_path / "kubectl-etpguard"
        program.write_text('#!/bin/sh\necho "arguments: $*"\n')
        program.chmod(0o755)
        machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
        archive = tmp_path / f"kubectl-etpguard-linux-{machine}.tar.gz"
        with tarfile.open(archive, "w:gz") as packed:
            packed.add(program, "kubectl-etpguard/kubectl-etpguard")
        made = tmp_path / "etpguard.yaml"
        made.write_text(yaml.safe_dump(krew.manifest(__version__, URL, [archive])))
        home = {"HOME": str(tmp_path), "KREW_ROOT": str(tmp_path / "krew")}
        run(binaries.path("krew"), "install", "--manifest", made, "--archive", archive, **home)
        path = f"{tmp_path / 'krew' / 'bin'}:{os.environ['PATH']}"
        said = run(binaries.path("kubectl"), "etpguard", "check", "-A", **home, PATH=path)
        assert said == "arguments: check -A\n"

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"metadata": {"name": "a b"}}, "metadata.name"),
            ({"kind": "Plug"}, "kind"),
            ({"spec": {"version": "0.1.0", "shortDescription": "x", "platforms": []}}, "spec"),
        ],
    )
    def test_the_schema_refuses_what_krew_refuses(
        self, archives: list[Path], change: dict[str, Any], path: str
    ) -> None:
        made = krew.manifest(__version__, "https://example.com", archives) | change
        errors = jsonschema.Draft7Validator(SCHEMA).iter_errors(made)
        assert any(".".join(map(str, error.path)).startswith(path) for error in errors)

    def test_other_files_and_two_of_one_platform_are_refused(self, tmp_path: Path) -> None:
        for names in (
            ["etpguard.tar.gz"],
            ["kubectl-etpguard-linux-amd64.tar.gz", "kubectl-etpguard-linux-amd64.zip"],
        ):
            files = [tmp_path / name for name in names]
            for file in files:
                file.write_text("x")
            with pytest.raises(ValueError, match=r"not kubectl-etpguard-OS-ARCH|one archive for each platform"):
                krew.manifest(__version__, "https://example.com", files)

    def test_another_version_is_refused(self) -> None:
        with pytest.raises(SystemExit, match=r"not 9\.9\.9"):
            krew.main(["9.9.9", "https://example.com"])


class TestWorkflow:
    @pytest.mark.parametrize("workflow", sorted(path.name for path in WORKFLOWS.glob("*.yaml")))
    def test_actionlint_finds_nothing(self, workflow: str) -> None:
        run(binaries.path("actionlint"), "-shellcheck=", "-pyflakes=", WORKFLOWS / workflow)

    def test_actionlint_finds_nothing_in_the_examples_of_the_docs(self, tmp_path: Path) -> None:
        """The first one is a part of a job."""
        page = (ROOT / "docs" / "ci.md").read_text()
        examples = [
            yaml.load(block, yaml.CSafeLoader) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
        ]
        steps = next(each for each in examples if isinstance(each, list))
        calls = next(each for each in examples if "jobs" in each)
        for jobs in ({"check": {"runs-on": "ubuntu-24.04", "steps": steps}}, calls["jobs"]):
            workflow = tmp_path / "example.yaml"
            workflow.write_text(yaml.safe_dump({"name": "example", "on": {"push": {}}, "jobs": jobs}))
            run(binaries.path("actionlint"), "-shellcheck=", "-pyflakes=", workflow)

    def test_actionlint_would_find_a_fault(self, tmp_path: Path) -> None:
        broken = tmp_path / "broken.yaml"
        text = (WORKFLOWS / "release.yaml").read_text()
        assert "needs: [python, image, chart, plugin]" in text
        broken.write_text(text.replace("needs: [python, image, chart, plugin]", "needs: [pythons]"))
        done = subprocess.run(
            [binaries.path("actionlint"), "-shellcheck=", "-pyflakes=", broken], capture_output=True, text=True
        )
        assert done.returncode == 1
        assert 'needs job "pythons" which does not exist' in done.stdout

    @pytest.fixture
    def jobs(self) -> dict[str, Any]:
        made: dict[str, Any] = yaml.load(
            (ROOT / ".github" / "workflows" / "release.yaml").read_text(), yaml.CSafeLoader
        )["jobs"]
        return made

    def test_one_tag_publishes_everything_after_all_tests(self, jobs: dict[str, Any]) -> None:
        scripts = {name: "\n".join(step.get("run", "") for step in job["steps"]) for name, job in jobs.items()}
        assert "uv publish" in scripts["python"]
        assert "twine check --strict" in scripts["python"]
        assert "helm push" in scripts["chart"]
        assert "cosign sign" in scripts["image"]
        assert "manifests.krew" in scripts["krew"]

        def waits_for(job: str) -> set[str]:
            needs = jobs[job].get("needs", [])
            direct = {needs} if isinstance(needs, str) else set(needs)
            return direct.union(*map(waits_for, direct))

        assert all("test" in waits_for(job) for job in jobs if job != "test")
        assert waits_for("krew") >= {"python", "image", "chart", "plugin"}

    def test_the_plugin_is_made_for_each_platform(self, jobs: dict[str, Any]) -> None:
        made = jobs["plugin"]["strategy"]["matrix"]["include"]
        assert {each["platform"] for each in made} == set(PLATFORMS)
        assert all(re.fullmatch(r"[a-z]+-[a-z0-9.-]+", each["runner"]) for each in made)
