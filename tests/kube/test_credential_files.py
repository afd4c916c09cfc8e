from __future__ import annotations

import tempfile
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


def test_what_changed_is_written_anew_under_its_name() -> None:
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
