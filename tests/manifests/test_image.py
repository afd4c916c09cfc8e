"""The container image, built from the Dockerfile and run: buildah on a base of Debian packages, no engine."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import Cluster, MissingToolError, binaries, ports
from devcluster.objects import wait_for
from etpguard import __version__
from tests.manifests.installed import Operator
from tests.manifests.rendered import ACCOUNT, NAMESPACE, ROOT, environment, kustomize
from tests.patience import patient
from tests.remediate.stage import Scene

pytestmark = [pytest.mark.image, pytest.mark.controlplane, pytest.mark.timeout(900)]

SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
CERTIFICATES = "/etc/ssl/certs:/etc/ssl/certs:ro"
PACKAGES = "python3,python3-venv,ca-certificates"
BASE, IMAGE = "localhost/etpguard-base", "localhost/etpguard"
PIP = ("/usr/local/bin/pip3", "/usr/local/lib/python3.13/site-packages/pip/__init__.py")
"""Where python:3.13-slim-trixie has pip."""


class Buildah:
    """One store in one folder, with chroot isolation. Layers are mounts where the folder can have overlay file
    systems, else copies, which take longer."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self._command = ["buildah", "--root", str(store / "root"), "--runroot", str(store / "run")]
        self.driver = "overlay"
        if (
            subprocess.run(self.command("info"), env=self.environment, capture_output=True, timeout=60).returncode
            != 0
        ):
            self.driver = "vfs"

    def command(self, *arguments: str) -> list[str]:
        return [*self._command, *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": self.driver}

    def __call__(self, *arguments: str, timeout: float = 600) -> str:
        done = subprocess.run(
            self.command(*arguments), env=self.environment, capture_output=True, text=True, timeout=timeout
        )
        assert done.returncode == 0, f"buildah {arguments[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout.strip()

    def read(self, store: Path) -> None:
        """Finds the images of another store, too, which stays as it is."""
        self._command.append(f"--storage-opt=overlay.imagestore={store}")

    def remove(self) -> None:
        """The store, with the mounts that are left in it."""
        points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for point in sorted(point for point in points if Path(point).is_relative_to(self.store))[::-1]:
            subprocess.run(["umount", "--lazy", point], check=True, timeout=60)
        shutil.rmtree(self.store)


def debian() -> str:
    """Where mmdebstrap finds Debian: where this machine does, or, where that is none, by Debian's own mirror."""
    if SOURCES.exists():
        return str(SOURCES)
    if not KEYRING.exists():
        raise MissingToolError("debian-archive-keyring is not installed")
    return f"deb [signed-by={KEYRING}] http://deb.debian.org/debian bookworm main"


@functools.cache
def base_archive() -> Path:
    """Debian with Python, made once and kept beside the control plane's programs."""
    archive = binaries.cache_directory() / f"image-base-{PACKAGES.replace(',', '+')}.tar"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        unfinished = archive.with_suffix(f".{os.getpid()}.tar")
        try:
            subprocess.run(
                [
                    "mmdebstrap",
                    "--quiet",
                    "--variant=minbase",
                    f"--include={PACKAGES}",
                    "bookworm",
                    unfinished,
                    debian(),
                ],
                check=True,
                timeout=600,
                capture_output=True,
            )
            unfinished.rename(archive)
        finally:
            unfinished.unlink(missing_ok=True)
    return archive


def commit_base(buildah: Buildah) -> None:
    scratch = buildah("from", "scratch")
    buildah("add", "-q", scratch, str(base_archive()), "/")
    for path in PIP:  # stand-ins: Debian's packages put pip elsewhere than the Python image does
        buildah("add", "-q", scratch, str(ROOT / "LICENSE"), path)
    buildah("commit", "-q", "--rm", scratch, BASE)


def base_store() -> Path | None:
    """A store with the base image, made once and kept beside its archive; None without overlay file systems."""
    store = base_archive().with_suffix(".with-pip")
    if not store.exists():
        making = Buildah(Path(tempfile.mkdtemp(prefix="making-image-base-", dir=store.parent)))
        try:
            if making.driver != "overlay":
                return None
            commit_base(making)
            try:
                (making.store / "root").rename(store)
            except OSError:
                if not store.exists():  # else another process has made it meanwhile
                    raise
        finally:
            making.remove()
    return store


@pytest.fixture(scope="module")
def image() -> Iterator[Buildah]:
    for tool in ("buildah", "mmdebstrap"):
        if shutil.which(tool) is None:
            raise MissingToolError(f"{tool} is not installed")
    if os.geteuid() != 0:
        raise MissingToolError("building the image takes root")
    # Not below the temporary folder of pytest: a killed run leaves mounts, which pytest could not remove later.
    buildah = Buildah(Path(tempfile.mkdtemp(prefix="etpguard-image-")))
    try:
        if buildah.driver == "overlay" and (store := base_store()):
            buildah.read(store)
        else:
            commit_base(buildah)
        buildah("bud", "--format=docker", "-t", IMAGE, "-v", CERTIFICATES, f"--build-arg=BASE={BASE}", str(ROOT))
        yield buildah
    finally:
        buildah.remove()


@pytest.fixture(scope="module")
def container(image: Buildah) -> Iterator[str]:
    name = image("from", "--pull-never", IMAGE)
    yield name
    image("rm", name)


def test_a_machine_that_is_not_debian_builds_on_debian_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.SOURCES", tmp_path / "debian.sources")
    assert debian().startswith("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http")
    monkeypatch.setattr(f"{__name__}.KEYRING", tmp_path / "keyring.gpg")
    with pytest.raises(MissingToolError, match="debian-archive-keyring"):
        debian()


def test_the_image_is_what_it_says(image: Buildah, container: str) -> None:
    config = json.loads(image("inspect", "--type=image", IMAGE))["OCIv1"]["config"]
    assert config["User"] == "65532:65532"
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert config["Labels"]["org.opencontainers.image.base.name"] == BASE
    root = Path(image("mount", container))
    try:
        ours = sum(f.lstat().st_size for f in (root / "opt" / "etpguard").rglob("*") if f.is_file())
        print(f"{ours / 1e6:.1f} MB beside the base")
        assert ours < 60e6
        assert not [f for f in (root / "opt" / "etpguard").rglob("*") if f.name in ("pip", "uv", "hatchling")]
        assert not [path for path in PIP if (root / path.lstrip("/")).exists()]
        assert not (root / "uv").exists()
        assert not (root / "src").exists()
    finally:
        image("umount", container)


def test_the_command_runs_as_another_user_than_root(image: Buildah, container: str) -> None:
    assert image("run", container, "--", "id", "-u") == "65532"
    entry = json.loads(image("inspect", "--type=image", IMAGE))["OCIv1"]["config"]["Entrypoint"]
    assert __version__ in image("run", container, "--", *entry, "--version")


def test_the_image_is_the_command_line_too(
    image: Buildah, container: str, site: Cluster, scene: Scene, tmp_path: Path
) -> None:
    """As README has it for a machine without Python: a kubeconfig, mounted, and the user that may read it."""
    scene.blackhole()
    shared = tmp_path / "kubeconfig"
    shared.write_bytes(site.kubeconfig.read_bytes())
    os.chown(shared, 54321, 54321)
    entry = json.loads(image("inspect", "--type=image", IMAGE))["OCIv1"]["config"]["Entrypoint"]
    command = (
        *entry,
        "check",
        "--kubeconfig",
        "/kubeconfig",
        "-n",
        scene.namespace,
        "--fail-on",
        "Outage",
        "-o",
        "json",
    )
    said = image("run", "--user=54321:54321", "-v", f"{shared}:/kubeconfig:ro", container, "--", *command)
    (service,) = json.loads(said)["services"]
    assert service["outcome"] == "Blackhole"


def test_the_operator_in_the_container_works(
    image: Buildah, container: str, site: Cluster, scene: Scene, tmp_path: Path
) -> None:
    """As the Deployment runs it: its arguments and environment, another user, nothing writable but /tmp."""
    manifests = kustomize("overlays/remediation")
    (deployment,) = (m for m in manifests if m["kind"] == "Deployment")
    (spec,) = deployment["spec"]["template"]["spec"]["containers"]
    port = ports.free("127.0.0.1")
    kubeconfig = site.kubeconfig_for(namespace=NAMESPACE, service_account=ACCOUNT)
    shared = tmp_path / "kubeconfig"
    shared.write_bytes(kubeconfig.read_bytes())
    shared.chmod(0o644)
    variables = {
        **environment(manifests),
        "ETPGUARD_KUBECONFIG": "/kubeconfig",
        "ETPGUARD_LISTEN": f"127.0.0.1:{port}",
        "ETPGUARD_LEASE_NAMESPACE": NAMESPACE,
        "ETPGUARD_LEASE_DURATION": "3s",
        "ETPGUARD_HOLD_URGENT": "100ms",
        "ETPGUARD_NAMESPACES": scene.namespace,
    }
    entry = json.loads(image("inspect", "--type=image", IMAGE))["OCIv1"]["config"]["Entrypoint"]
    settings = [f"--env={name}={value}" for name, value in variables.items()]
    log = tmp_path / "operator.log"
    scene.blackhole()
    with log.open("wb") as output:
        process = subprocess.Popen(
            image.command(
                *("run", "--user=54321:54321", "-v", f"{shared}:/kubeconfig:ro"),
                *(*settings, container, "--", *entry, *spec["args"]),
            ),
            env=image.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        running = Operator(process, port, log)
        wait_for(running.ready, 60, "the operator to be ready")
        found = re.search(r"ready after ([\d.]+) s", log.read_text())
        assert found is not None
        assert float(found[1]) < patient(3)
        wait_for(lambda: "etpguard_picture_fresh 1.0" in running.get("/metrics")[1], 90, "a fresh picture")
        wait_for(lambda: scene.report().get("status", {}).get("outcome") == "Blackhole", 60, "the report")
        # As `kubectl exec` does it: the name on the PATH, the environment and the ServiceAccount of the operator.
        words = ("etpguard", "explain", f"{scene.namespace}/web")
        mounted = ("--user=54321:54321", "-v", f"{shared}:/kubeconfig:ro")
        assert "Outcome: Blackhole" in image("run", *mounted, *settings, container, "--", *words)
        asked = time.monotonic()
        _inner(process.pid, signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
        assert time.monotonic() - asked < patient(5)
        assert "the watch restarts" not in log.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _inner(pid: int, number: signal.Signals) -> None:
    """Signal the last process in the line below `pid`: buildah passes no signals on. Any of a process's threads
    may have started its child."""
    while children := "".join(f.read_text() for f in Path(f"/proc/{pid}/task").glob("*/children")).split():
        pid = int(children[0])
    os.kill(pid, number)
