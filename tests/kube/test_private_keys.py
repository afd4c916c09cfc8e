"""What becomes of a private key on disk when a command ends before its time."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from devcluster.certificates import Authority


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def kubeconfig(tmp_path: Path, silent_server: str) -> Path:
    certificate, key = Authority(tmp_path).issue("someone", ["127.0.0.1"])
    user = {
        "client-certificate-data": base64.b64encode(certificate.read_bytes()).decode(),
        "client-key-data": base64.b64encode(key.read_bytes()).decode(),
    }
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": silent_server, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "c", "user": user}],
    }
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


def _default_signals() -> None:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def start(*arguments: str, temporary: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "etpguard", *arguments],
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        # Whatever started the tests may ignore these, under nohup for example, and a child inherits that.
        preexec_fn=_default_signals,
    )


def keys(temporary: Path) -> set[Path]:
    return set(temporary.glob("*/client-key"))


def ended_by(number: signal.Signals, kubeconfig: Path, temporary: Path, *command: str) -> int:
    """The exit code of a command that got a signal while it waits for the API server with its key on disk."""
    before = keys(temporary)
    with start(*command, "--kubeconfig", str(kubeconfig), temporary=temporary) as process:
        deadline = time.monotonic() + 60
        while not (ours := keys(temporary) - before):
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for key in ours:
            assert key.stat().st_mode & 0o777 == 0o600
            assert key.parent.stat().st_mode & 0o777 == 0o700
        time.sleep(0.3)
        process.send_signal(number)
        return process.wait(timeout=60)


@pytest.mark.parametrize("command", [["check"], ["rollback", "web"]], ids=["check", "rollback"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda n: n.name)
def test_a_command_that_gets_a_signal_removes_its_key(
    number: signal.Signals, command: list[str], kubeconfig: Path, temporary: Path
) -> None:
    assert ended_by(number, kubeconfig, temporary, *command) == 128 + number
    assert list(temporary.iterdir()) == []


def test_the_key_of_a_killed_command_is_removed_by_the_next(kubeconfig: Path, temporary: Path) -> None:
    assert ended_by(signal.SIGKILL, kubeconfig, temporary, "check") == -signal.SIGKILL
    [left] = keys(temporary)
    ended_by(signal.SIGTERM, kubeconfig, temporary, "check")
    assert not left.exists()
    assert list(temporary.iterdir()) == []
