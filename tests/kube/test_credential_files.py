"""Where credentials lie as files, and when they go."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from etpguard.kube.credential_files import CredentialFiles


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_nobody_else_may_read_what_is_kept(tmp_path: Path) -> None:
    file = Path(CredentialFiles().keep("client-key", b"secret"))
    assert file.read_bytes() == b"secret"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert file.parent.parent == tmp_path


def test_a_changed_credential_is_written_again_under_its_name() -> None:
    folder = CredentialFiles()
    assert folder.keep("client-key", b"old") == folder.keep("client-key", b"new")
    assert Path(folder.keep("client-key", b"new")).read_bytes() == b"new"


def test_once_removed_it_does_not_come_back(tmp_path: Path) -> None:
    folder = CredentialFiles()
    folder.keep("client-key", b"secret")
    folder.remove()
    with pytest.raises(RuntimeError, match="the process ends"):
        folder.keep("client-key", b"secret")
    assert list(tmp_path.iterdir()) == []


HOLDER = """
import sys, time, tempfile
tempfile.tempdir = {folder!r}
from etpguard.kube.credential_files import CredentialFiles
print(CredentialFiles().keep("client-key", b"secret"), flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process that keeps a key, and where."""
    program = HOLDER.format(folder=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process, Path(process.stdout.readline().strip())
    process.kill()
    process.wait()
    process.stdout.close()


def test_what_a_killed_process_left_behind_is_removed_at_the_next_start(
    holder: tuple[subprocess.Popen[str], Path],
) -> None:
    process, key = holder
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert key.read_bytes() == b"secret"
    CredentialFiles()
    assert not key.parent.exists()


def test_the_files_of_a_process_that_runs_are_left_alone(holder: tuple[subprocess.Popen[str], Path]) -> None:
    _, key = holder
    CredentialFiles()
    assert key.read_bytes() == b"secret"


def test_two_in_one_process_leave_each_other_alone() -> None:
    first = CredentialFiles()
    key = Path(first.keep("client-key", b"secret"))
    CredentialFiles()
    assert key.exists()


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "etpguard-unlocked").mkdir()  # of an earlier version, or not locked yet
    (tmp_path / "etpguard-file").write_text("")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lock").write_text("")
    (tmp_path / "etpguard-link").symlink_to(elsewhere)
    CredentialFiles()
    assert {path.name for path in tmp_path.iterdir()} == {
        "etpguard-unlocked",
        "etpguard-file",
        "etpguard-link",
        "elsewhere",
    }
    assert (elsewhere / "lock").exists()


def test_a_folder_that_was_cleaned_away_is_made_again() -> None:
    folder = CredentialFiles()
    first = Path(folder.keep("client-key", b"secret"))
    shutil.rmtree(first.parent)
    again = Path(folder.keep("client-key", b"secret"))
    assert again.read_bytes() == b"secret"
    folder.remove()
    assert not again.parent.exists()
