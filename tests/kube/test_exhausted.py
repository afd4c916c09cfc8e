"""The machine runs out of something: the request at hand fails, is counted, and the next one works again."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devcluster import MissingToolError
from etpguard.kube import verbs
from etpguard.kube.client import LazyClient
from etpguard.kube.connection import Connection
from etpguard.kube.credential_files import CredentialFiles
from etpguard.kube.errors import ApiError, BadKubeconfig, KubeError, Unreachable
from etpguard.kube.exchange import exchange
from etpguard.kube.lists import ListReader, list_kind
from etpguard.objects import NODE, Key
from tests.kube.rotation import Rotation, kubeconfig
from tests.kube.tls_front import TlsFront

GET = verbs.get(NODE, Key("", "n"))


@contextmanager
def no_file_descriptor() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[int] = []
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        yield
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def connection(rotation: Rotation, front: TlsFront, tmp_path: Path) -> Connection:
    return Connection(kubeconfig(tmp_path, front.server, rotation.bundle, {"token": "t"}))


def test_a_list_without_a_file_descriptor_fails_alone(connection: Connection) -> None:
    counted: list[int] = []
    reader = ListReader(connection, on_request=lambda verb, resource, status: counted.append(status))
    assert reader.ask(NODE) == 7
    with no_file_descriptor(), pytest.raises(KubeError):
        reader.ask(NODE)
    assert reader.ask(NODE) == 7
    assert counted == [200, 0, 200]


def test_a_write_without_a_file_descriptor_fails_alone(
    connection: Connection, rotation: Rotation, front: TlsFront
) -> None:
    counted: list[int] = []

    async def scenario() -> None:
        client = LazyClient(connection)

        async def ask(seconds: float = 10) -> None:
            await exchange(client, GET, seconds, lambda verb, resource, status: counted.append(status))

        try:
            await ask()
            front.rotate(*rotation.old_pair)  # so that the next request needs a connection
            with no_file_descriptor(), pytest.raises(ApiError) as raised:
                await ask(1)  # the front in this process has no file descriptor either, so it never answers
            assert raised.value.transient
            await ask()
        finally:
            await client.close()

    asyncio.run(scenario())
    assert counted == [200, 0, 200]


def test_without_a_temporary_folder_credentials_fail_and_come_back(
    rotation: Rotation, front: TlsFront, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    pair = rotation.old.issue("someone", ["127.0.0.1"])
    fields = zip(("client-certificate-data", "client-key-data"), pair, strict=True)
    user: dict[str, Any] = {field: base64.b64encode(path.read_bytes()).decode() for field, path in fields}
    reader = ListReader(Connection(kubeconfig(tmp_path, front.server, rotation.bundle, user)))
    assert reader.ask(NODE) == 7
    shutil.rmtree(folder)
    with pytest.raises(BadKubeconfig, match=r"cannot be stored in a file: .*No such file"):
        reader.ask(NODE)
    folder.mkdir()
    assert reader.ask(NODE) == 7


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of its own for temporary files, with room for a few."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise MissingToolError(f"a file system of limited size cannot be mounted: {error}") from None
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """A file that leaves no block free."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as opened:
        while True:
            opened.write(b"x" * 512)
    return filler


def test_on_a_full_disk_credentials_fail_leave_nothing_behind_and_come_back(
    rotation: Rotation, front: TlsFront, small_disk: Path, tmp_path: Path
) -> None:
    pair = rotation.old.issue("someone", ["127.0.0.1"])
    fields = zip(("client-certificate-data", "client-key-data"), pair, strict=True)
    user: dict[str, Any] = {field: base64.b64encode(path.read_bytes()).decode() for field, path in fields}
    reader = ListReader(Connection(kubeconfig(tmp_path, front.server, rotation.bundle, user)))
    assert reader.ask(NODE) == 7
    for kept in small_disk.glob("etpguard-*"):
        shutil.rmtree(kept)
    filler = fill(small_disk)
    for _ in range(20):
        with pytest.raises(BadKubeconfig, match=r"cannot be stored in a file: .*No space left"):
            reader.ask(NODE)
    assert len(list(small_disk.glob("etpguard-*"))) <= 1, "one folder for all tries"
    filler.unlink()
    assert reader.ask(NODE) == 7


def test_without_an_inode_no_folder_is_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = CredentialFiles()

    genuine = os.open

    def full(path: Any, flags: int, *given: Any, **named: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, "No space left on device")
        return genuine(path, flags, *given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", full)
        for _ in range(3):
            with pytest.raises(OSError, match="No space left"):
                folder.keep("client-key", b"secret")
    assert list(tmp_path.iterdir()) == []
    assert Path(folder.keep("client-key", b"secret")).read_bytes() == b"secret"


def test_whatever_goes_wrong_in_a_list_is_its_failure(connection: Connection) -> None:
    def on_page(page: object) -> None:
        raise ZeroDivisionError("nobody foresaw it")

    with pytest.raises(Unreachable, match="cannot list nodes: ZeroDivisionError: nobody foresaw it"):
        list_kind(connection, NODE, on_page=on_page)
