"""Finds the programs of the control plane, or builds them from their Go modules.

A program is looked for in ``KUBEBUILDER_ASSETS`` (when set), then in a cache folder outside the checkout,
which is named after everything that goes into the programs: ``$XDG_CACHE_HOME/etpguard/devcluster/<hash>/``
(``~/.cache`` by default). What is in neither is built into the cache, each program alone and only when asked
for. A first build of all takes about ten minutes on two cores; afterwards Go's own build cache makes it
seconds.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devcluster import go_toolchain
from devcluster.errors import MissingToolError

KUBERNETES_VERSION = "v1.37.2"

_HERE = Path(__file__).parent
_HEARTBEAT_SECONDS = 15.0
_STRIP = "-s -w"
# What a release build stamps; without it kubectl and the API server report v0.0.0.
_STAMP = " ".join(
    f"-X k8s.io/component-base/version.{name}={value}"
    for name, value in (("gitVersion", KUBERNETES_VERSION), ("gitMajor", "1"), ("gitMinor", "37"))
)
# Else helm says v4.3: a module built from the proxy knows only what its source holds.
_HELM_STAMP = "-X helm.sh/helm/v4/internal/version.version=v4.3.1"


@dataclass(frozen=True)
class Program:
    """A main package, the folder of the go.mod that pins it, and its linker flags."""

    package: str
    module: Path
    ldflags: str

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides what the program is: pinned modules, flags, platform."""
        digest = hashlib.sha256()
        for part in (
            (self.module / "go.mod").read_bytes(),
            (self.module / "go.sum").read_bytes(),
            f"trimpath {self.ldflags} {sys.platform} {platform.machine()}".encode(),
        ):
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()[:16]


PROGRAMS: dict[str, Program] = {
    "etcd": Program("go.etcd.io/etcd/server/v3", _HERE, _STRIP),
    **{
        name: Program(f"k8s.io/kubernetes/cmd/{name}", _HERE, f"{_STRIP} {_STAMP}")
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubectl")
    },
    "helm": Program("helm.sh/helm/v4/cmd/helm", _HERE / "helm", f"{_STRIP} {_HELM_STAMP}"),
    "kube-score": Program("github.com/zegl/kube-score/cmd/kube-score", _HERE / "kube-score", _STRIP),
}

Progress = Callable[[str], None]


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def path(name: str, progress: Progress = _to_stderr) -> Path:
    """The program's path, building it first where needed (minutes, the first time).

    Safe to call from several processes at once: one builds, the others wait. Raises ``KeyError`` for a
    program not in ``PROGRAMS``, ``MissingToolError`` when it is not there and cannot be built.
    """
    program = PROGRAMS[name]
    found = find(name)
    if found is not None:
        return found
    directory = cache_directory() / program.fingerprint
    directory.mkdir(parents=True, exist_ok=True)
    with _lock(directory, name, progress):
        target = directory / name
        if not target.exists():  # else another process built it while this one waited
            _build(name, program, target, progress)
        return target


def find(name: str) -> Path | None:
    """The program's path when it is there already, else None; never builds."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and os.access(Path(assets, name), os.X_OK):
        return Path(assets, name)
    built = cache_directory() / PROGRAMS[name].fingerprint / name
    return built if built.exists() else None


def cache_directory() -> Path:
    """Where built programs and an installed Go toolchain are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "etpguard" / "devcluster"


@contextmanager
def _lock(directory: Path, name: str, progress: Progress) -> Iterator[None]:
    with (directory / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"devcluster: {name}: waiting for another process that is building")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # closing the file releases the lock


def _build(name: str, program: Program, target: Path, progress: Progress) -> None:
    minimum = go_toolchain.minimum_version(program.module / "go.mod")
    go = go_toolchain.find(minimum, cache_directory())
    unfinished = target.with_suffix(f".{os.getpid()}.part")
    command: list[str | Path] = [go, "build", "-v", "-trimpath", f"-ldflags={program.ldflags}", "-o", unfinished]
    command.append(program.package)
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""}
    started = time.monotonic()
    progress(f"devcluster: {name}: building with {go}; the first build of a version takes minutes")
    try:
        with subprocess.Popen(
            command,
            cwd=program.module,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            output = _follow(process, name, started, progress)
        if process.returncode != 0:
            raise MissingToolError(f"{name} cannot be built: {' '.join(output[-3:]) or 'no message'}")
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)
    size = target.stat().st_size / 1e6
    progress(f"devcluster: {name}: built in {time.monotonic() - started:.0f} s, {size:.0f} MB")


def _follow(process: subprocess.Popen[str], name: str, started: float, progress: Progress) -> list[str]:
    """Reads what Go prints (a line per compiled package, or errors) until it ends, telling progress."""
    assert process.stderr is not None
    lines: list[str] = []
    done = threading.Event()

    def heartbeat() -> None:
        while not done.wait(_HEARTBEAT_SECONDS):
            progress(f"devcluster: {name}: {time.monotonic() - started:.0f} s, {len(lines)} packages compiled")

    thread = threading.Thread(target=heartbeat, name=f"build {name}", daemon=True)
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
