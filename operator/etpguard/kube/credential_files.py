"""Credentials as files, for libraries that accept nothing else. The files are removed when the process ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import threading
import weakref
from pathlib import Path

from etpguard.kube.file_lock import lock

_PREFIX = "etpguard-"
_LOCK = "lock"


class CredentialFiles:
    """A folder that only this user can enter. The first `keep` creates it, and `remove` deletes it. Thread-safe.

    A process that is killed leaves its folder behind. Each process holds a lock on a file in its folder, so the
    next one removes the folders without a lock.
    """

    def __init__(self) -> None:
        self._mutex = threading.RLock()  # a signal handler calls `remove`, perhaps in the middle of `keep`
        self._path: Path | None = None
        self._lock: int | None = None
        self._removed = False
        _all.add(self)
        remove_left_behind()

    def keep(self, name: str, content: bytes) -> str:
        """The path of a file with that content.

        Raises OSError if it cannot be written, and RuntimeError after `remove`: a thread that still runs while the
        process ends must not bring the folder back.
        """
        with self._mutex:
            if self._removed:
                raise RuntimeError("the process ends")
            if self._path is None or not self._path.is_dir():  # some systems clean their temporary folder
                self._open()
            assert self._path is not None
            file = self._path / name
            if not file.exists() or file.read_bytes() != content:
                _write(file, content)
            return str(file)

    def remove(self) -> None:
        with self._mutex:
            self._removed = True
            self._close()

    def _open(self) -> None:
        self._close()
        self._path = path = Path(tempfile.mkdtemp(prefix=_PREFIX))  # with mode 0700
        try:
            # The lock is held before it has its name: from then on other processes look at it. Windows renames no
            # file that is open.
            named = path / _LOCK
            temporary = named if os.name == "nt" else path / f"{_LOCK}.new"
            self._lock = os.open(temporary, os.O_CREAT | os.O_RDWR, 0o600)
            lock(self._lock)
            if temporary != named:
                temporary.rename(named)
        except OSError:
            self._close()  # without a lock, no process would ever remove the folder
            raise

    def _close(self) -> None:
        if self._lock is not None and os.name == "nt":
            os.close(self._lock)  # Windows removes no file that is open
            self._lock = None
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
        self._path = self._lock = None


_all: weakref.WeakSet[CredentialFiles] = weakref.WeakSet()


def remove_all() -> None:
    """Remove the folders of this process before it ends. Safe in a signal handler."""
    for each in list(_all):
        each.remove()


def remove_left_behind() -> None:
    """Remove the folders of this user whose process has ended."""
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX):
                with contextlib.suppress(OSError):
                    _remove_if_left_behind(Path(entry.path))


def _remove_if_left_behind(folder: Path) -> None:
    """Raises OSError for a folder that another process holds, and for one that etpguard did not make."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        return
    held = os.open(folder / _LOCK, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        lock(held)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(held)


def _write(file: Path, content: bytes) -> None:
    """Replace the file as a whole. Nobody else can read it at any time."""
    temporary = file.with_name(f"{file.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
    temporary.replace(file)
