"""A Secret of the type kubernetes.io/tls as the kubelet mounts it."""

from __future__ import annotations

import os
import shutil
from itertools import count
from pathlib import Path

from devcluster.certificates import Authority
from etpguard.web import CertificateFiles


def pair(folder: Path, name: str) -> CertificateFiles:
    """A certificate for 127.0.0.1 and localhost, signed by its own authority: `folder`/NAME/ca.crt."""
    place = folder / name
    place.mkdir()
    return CertificateFiles(*Authority(place).issue(name, ["127.0.0.1", "localhost"]))


class MountedSecret:
    """The files are symbolic links through `..data`, itself a symbolic link, which is replaced atomically.
    kubernetes v1.37 pkg/volume/util/atomic_writer.go."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions = count()
        folder.mkdir()
        for name in ("tls.crt", "tls.key"):
            (folder / name).symlink_to(f"..data/{name}")
        self.files = CertificateFiles(folder / "tls.crt", folder / "tls.key")

    def swap(self, content: CertificateFiles) -> None:
        data, before = self._folder / "..data", self._folder / "..data_tmp"
        old = data.resolve() if data.exists() else None
        version = self._folder / f"..version-{next(self._versions)}"
        version.mkdir()
        shutil.copy(content.certificate, version / "tls.crt")
        shutil.copy(content.private_key, version / "tls.key")
        before.symlink_to(version.name)
        os.replace(before, data)
        if old is not None:
            shutil.rmtree(old)
