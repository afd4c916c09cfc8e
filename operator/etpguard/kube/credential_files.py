"""Credentials as files, for libraries that take nothing else; they do not outlive the process."""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path


class CredentialFiles:
    """A folder that only this user can enter, from the first file on until `remove`. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._removed = False

    def keep(self, name: str, content: bytes) -> str:
        """The path of a file with that content. Raises RuntimeError once the folder was removed: a thread that is
        still at work while the process ends must not bring it back."""
        with self._lock:
            if self._removed:
                raise RuntimeError("the process ends")
            if self._path is None:
                self._path = Path(tempfile.mkdtemp(prefix="etpguard-"))
            file = self._path / name
            if not file.exists() or file.read_bytes() != content:
                fresh = file.with_suffix(".new")
                fresh.touch(mode=0o600)
                fresh.write_bytes(content)
                fresh.replace(file)
            return str(file)

    def remove(self) -> None:
        with self._lock:
            self._removed = True
            if self._path is not None:
                shutil.rmtree(self._path, ignore_errors=True)
