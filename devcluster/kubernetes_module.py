"""A Go module for another version of Kubernetes than the pinned one.

Kubernetes publishes its go.mod with folders of its own repository in place of its libraries. Each library is also
published, with the same minor and patch version: this module names these.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from devcluster.errors import MissingToolError


def make(version: str, packages: Sequence[str], go: Path, cache: Path) -> Path:
    """The folder of a go.mod and a go.sum from which Go builds these packages of ``version``, e.g. ``v1.30.14``.

    Go downloads the sources and compares them with its checksum database.
    """
    module = cache / f"kubernetes-{version}"
    if module.exists():
        return module
    with tempfile.TemporaryDirectory(prefix="making-", dir=cache) as folder:
        download = json.loads(_run([go, "mod", "download", "-json", f"k8s.io/kubernetes@{version}"], folder))
        unfinished = Path(folder, "module")
        unfinished.mkdir()
        (unfinished / "go.mod").write_text(go_mod(Path(download["GoMod"]).read_text(), version))
        # Go adds the checksums of all that these packages consist of.
        _run([go, "list", "-mod=mod", "-deps", *packages], unfinished)
        unfinished.rename(module)
    return module


def go_mod(published: str, version: str) -> str:
    """``published``: the go.mod of Kubernetes itself."""
    renamed = re.sub(r"^module .*", "module etpguard.dev/devcluster/kubernetes", published, flags=re.MULTILINE)
    libraries = re.sub(r"=> \./staging/src/(\S+)", rf"=> \1 v0{version.removeprefix('v1')}", renamed)
    return f"{libraries}\nrequire k8s.io/kubernetes {version}\n"


def _run(arguments: Sequence[str | Path], folder: str | Path) -> str:
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""}
    run = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        reason = (run.stderr.strip() or run.stdout.strip() or "no message").splitlines()[-1]
        raise MissingToolError(f"{' '.join(map(str, arguments[1:]))[:80]}: {reason}")
    return run.stdout
