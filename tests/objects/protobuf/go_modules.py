"""The sources of Kubernetes' Go modules, in the versions that devcluster pins."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path

import devcluster
from devcluster import MissingToolError, binaries, go_toolchain

_MODULE = Path(devcluster.__file__).parent


@cache
def folder(module: str) -> Path:
    """The folder of a module's sources, downloaded where Go's cache lacks it. Raises MissingToolError."""
    go = go_toolchain.find(go_toolchain.minimum_version(_MODULE / "go.mod"), binaries.cache_directory())
    run = subprocess.run(
        [go, "mod", "download", "-json", module],
        cwd=_MODULE,
        env=os.environ | {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=mod"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if run.returncode != 0:
        raise MissingToolError(f"the sources of {module} cannot be downloaded: {run.stderr[-300:]}")
    return Path(json.loads(run.stdout)["Dir"])
