"""Finds the programs of the control plane, or builds them from their Go modules.

A program is looked for in ``KUBEBUILDER_ASSETS`` (when set), then in a cache folder outside the checkout,
which is named after everything that goes into the programs: ``$XDG_CACHE_HOME/etpguard/devcluster/<hash>/``
(``~/.cache`` by default). What is in neither is built into the cache, when it is asked for. Programs of one module
that are asked for together are built by one invocation of Go, which compiles each package once and links while
others compile. A first build of all takes some minutes; afterwards Go's own build cache makes it seconds.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from devcluster import go_toolchain, kubernetes_module
from devcluster.errors import MissingToolError

KUBERNETES_VERSION = "v1.37.2"

_HERE = Path(__file__).parent
_HEARTBEAT_SECONDS = 15.0
_STRIP = "-s -w"
# The linker drops debug information (-w); not to make it saves a tenth of the CPU.
_COMPILE = "-gcflags=all=-dwarf=false"
# Else helm says v4.3: a module built from the proxy knows only what its source holds.
_HELM_STAMP = "-X helm.sh/helm/v4/internal/version.version=v4.3.1"


@dataclass(frozen=True)
class Program:
    """A main package, the folder of the go.mod that pins it, its linker flags, and the folder of its sources if no
    pinned module has them."""

    package: str
    module: Path
    ldflags: str
    sources: Path | None = None
    on_demand: bool = False
    """Whether only a test that asks for it needs it: it takes minutes to compile."""

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides what the program is: pinned modules, flags, platform, own sources."""
        digest = hashlib.sha256()
        for part in (
            (self.module / "go.mod").read_bytes(),
            (self.module / "go.sum").read_bytes(),
            f"trimpath {self.ldflags} {sys.platform} {platform.machine()}".encode(),
            *(file.read_bytes() for file in (sorted(self.sources.glob("*.go")) if self.sources else ())),
        ):
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()[:16]


def _kubernetes(version: str, module: Path) -> dict[str, Program]:
    """With what a release build stamps: else kubectl and the API server report v0.0.0."""
    stamp = " ".join(
        f"-X k8s.io/component-base/version.{name}={value}"
        for name, value in (("gitVersion", version), ("gitMajor", "1"), ("gitMinor", version.split(".")[1]))
    )
    return {
        name: Program(f"k8s.io/kubernetes/cmd/{name}", module, f"{_STRIP} {stamp}")
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubectl")
    }


PROGRAMS: dict[str, Program] = {
    "etcd": Program("go.etcd.io/etcd/server/v3", _HERE, _STRIP),
    **_kubernetes(KUBERNETES_VERSION, _HERE),
    "proxystates": Program("etpguard.dev/devcluster/proxystates", _HERE, _STRIP, _HERE / "proxystates"),
    "ciliumstates": Program(
        "etpguard.dev/devcluster/ciliumstates",
        _HERE / "ciliumstates",
        _STRIP,
        _HERE / "ciliumstates",
        on_demand=True,
    ),
    "helm": Program("helm.sh/helm/v4/cmd/helm", _HERE / "helm", f"{_STRIP} {_HELM_STAMP}"),
    "kube-score": Program("github.com/zegl/kube-score/cmd/kube-score", _HERE / "kube-score", _STRIP),
    "actionlint": Program("github.com/rhysd/actionlint/cmd/actionlint", _HERE / "actionlint", _STRIP),
    **{
        name: Program(f"sigs.k8s.io/krew/cmd/{name}", _HERE / "krew", _STRIP)
        for name in ("krew", "validate-krew-manifest")
    },
}

Progress = Callable[[str], None]


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def path(name: str, progress: Progress = _to_stderr) -> Path:
    """The path of one program; see ``paths``."""
    return paths([name], progress)[name]


def paths(names: Iterable[str], progress: Progress = _to_stderr) -> dict[str, Path]:
    """The path of each program, in this order; builds those that are missing (minutes, the first time).

    Safe to call from several processes at once: one builds, the others wait. Raises ``KeyError`` for a
    program not in ``PROGRAMS``, ``MissingToolError`` when one is not there and cannot be built.
    """
    if sys.platform != "linux":
        raise MissingToolError(f"the control plane runs on Linux only, not on {sys.platform}")
    wanted = list(names)
    missing: dict[Path, list[str]] = {}
    for name in wanted:
        program = PROGRAMS[name]
        if find(name) is None:
            missing.setdefault(program.module, []).append(name)
    for module, together in missing.items():
        with ExitStack() as locks:
            # In one order, so that two processes that each hold a lock never wait for each other.
            for directory in sorted({_target(name).parent for name in together}):
                directory.mkdir(parents=True, exist_ok=True)
                locks.enter_context(_lock(directory, ", ".join(together), progress))
            # Another process may have built some while this one waited.
            if left := [name for name in together if not _target(name).exists()]:
                _build(module, left, progress)
    return {name: find(name) or _target(name) for name in wanted}


def kubernetes(version: str, progress: Progress = _to_stderr) -> Path:
    """The folder with the programs of another Kubernetes version, e.g. ``v1.30.14``, for ``KUBEBUILDER_ASSETS``.

    Builds them when they are not there. Afterwards they are in ``PROGRAMS`` in place of the pinned ones.
    """
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    go = go_toolchain.find(go_toolchain.minimum_version(_HERE / "go.mod"), cache)
    packages = [program.package for program in _kubernetes(version, _HERE).values()]
    other = _kubernetes(version, kubernetes_module.make(version, packages, go, cache))
    PROGRAMS.update(other)
    return paths(other, progress)["kubectl"].parent


def find(name: str) -> Path | None:
    """The program's path when it is there already, else None; never builds."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and os.access(Path(assets, name), os.X_OK):
        return Path(assets, name)
    built = _target(name)
    return built if built.exists() else None


def _target(name: str) -> Path:
    return cache_directory() / PROGRAMS[name].fingerprint / name


def cache_directory() -> Path:
    """Where built programs and an installed Go toolchain are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "etpguard" / "devcluster"


@contextmanager
def _lock(directory: Path, name: str, progress: Progress) -> Iterator[None]:
    import fcntl  # Linux; the package is imported elsewhere too

    with (directory / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"devcluster: {name}: waiting for another process that is building")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # closing the file releases the lock


def _build(module: Path, names: Sequence[str], progress: Progress) -> None:
    """Build these programs of one module by one ``go build``."""
    go = go_toolchain.find(go_toolchain.minimum_version(module / "go.mod"), cache_directory())
    title = ", ".join(names)
    packages = {name: PROGRAMS[name].package for name in names}
    # Flags for a package count for the program that it is, so that one invocation takes them all.
    flags = [f"-ldflags={PROGRAMS[name].package}={PROGRAMS[name].ldflags}" for name in names]
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""}
    started = time.monotonic()
    progress(f"devcluster: {title}: building with {go}; the first build of a version takes minutes")
    unfinished = Path(tempfile.mkdtemp(prefix="building-", dir=cache_directory()))
    try:
        total = _count_packages(go, module, list(packages.values()), environment)
        with subprocess.Popen(
            [go, "build", "-v", "-trimpath", _COMPILE, *flags, "-o", f"{unfinished}/", *packages.values()],
            cwd=module,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            output = _follow(process, title, total, started, progress)
        if process.returncode != 0:
            raise MissingToolError(f"{title} cannot be built: {' '.join(output[-3:]) or 'no message'}")
        sizes = []
        for name, package in packages.items():
            built = unfinished / executable(package)
            sizes.append(f"{name} {built.stat().st_size / 1e6:.0f} MB")
            built.rename(_target(name))
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    progress(f"devcluster: {title}: built in {time.monotonic() - started:.0f} s, {', '.join(sizes)}")


def executable(package: str) -> str:
    """The name that Go gives to the program of a package: its last element that is not a major version."""
    last, *others = reversed(package.split("/"))
    return others[0] if others and re.fullmatch(r"v[0-9]+", last) else last


def _count_packages(go: Path, module: Path, packages: Sequence[str], environment: dict[str, str]) -> int:
    """How many packages the programs consist of; 0 if Go does not know, which the build itself then explains."""
    run = subprocess.run(
        [go, "list", "-deps", *packages], cwd=module, env=environment, capture_output=True, text=True, check=False
    )
    return len(run.stdout.splitlines()) if run.returncode == 0 else 0


def _follow(
    process: subprocess.Popen[str], title: str, total: int, started: float, progress: Progress
) -> list[str]:
    """Reads what Go prints (a line per compiled package, or errors) until it ends, and reports progress. Packages
    in Go's build cache are not printed, so that fewer than the difference may be left."""
    assert process.stderr is not None
    lines: list[str] = []
    done = threading.Event()

    def heartbeat() -> None:
        while not done.wait(_HEARTBEAT_SECONDS):
            took, left = time.monotonic() - started, max(0, total - len(lines))
            progress(f"devcluster: {title}: {took:.0f} s, {len(lines)} packages compiled, at most {left} left")

    thread = threading.Thread(target=heartbeat, name=f"build {title}", daemon=True)
    thread.start()
    try:
        lines.extend(line.rstrip() for line in process.stderr)
    except BaseException:  # an interrupted build must not go on in the background
        process.kill()
        raise
    finally:
        done.set()
        thread.join()
    return lines
