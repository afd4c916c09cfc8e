"""The krew manifest of a release, from its archives: `python -m manifests.krew VERSION BASE_URL ARCHIVE…`.

An archive is named kubectl-etpguard-OS-ARCH.tar.gz, or .zip for Windows. It has a folder kubectl-etpguard with the
program. BASE_URL is REPOSITORY/releases/download/TAG. krew compares what it downloads with the checksums.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from etpguard import __version__

NAME = "etpguard"
_ARCHIVE = re.compile(r"kubectl-etpguard-(?P<os>linux|darwin|windows)-(?P<arch>amd64|arm64)\.(tar\.gz|zip)")


class _Dumper(yaml.SafeDumper):
    """Keeps the line breaks of a text with several lines."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def manifest(version: str, url: str, archives: Sequence[Path]) -> dict[str, Any]:
    """The Plugin object. `url` is the folder that the archives are published in. Raises ValueError for an archive
    with another name, and for a platform with two."""
    platforms = [_platform(url, archive) for archive in sorted(archives)]
    selectors = [str(platform["selector"]) for platform in platforms]
    if not platforms or len(set(selectors)) < len(selectors):
        raise ValueError("there must be one archive for each platform")
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": NAME},
        "spec": {
            "version": f"v{version}",
            "homepage": url.partition("/releases/")[0],
            "shortDescription": "Find nodes that drop traffic under externalTrafficPolicy Local",
            "description": (
                "Finds the nodes on which external traffic to a Service with externalTrafficPolicy Local\n"
                "is lost, and says whether that matters for the load balancer in front of it.\n"
                "It only reads, except for the commands rollback and uninstall.\n"
            ),
            "platforms": platforms,
        },
    }


def _platform(url: str, archive: Path) -> dict[str, Any]:
    found = _ARCHIVE.fullmatch(archive.name)
    if found is None:
        raise ValueError(f"{archive.name}: not kubectl-etpguard-OS-ARCH.tar.gz or .zip")
    suffix = ".exe" if found["os"] == "windows" else ""
    return {
        "selector": {"matchLabels": {"os": found["os"], "arch": found["arch"]}},
        "uri": f"{url.rstrip('/')}/{archive.name}",
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "bin": f"kubectl-etpguard/kubectl-etpguard{suffix}",
    }


def main(arguments: Sequence[str]) -> None:
    version, url, *archives = arguments
    if version != __version__:
        sys.exit(f"krew: the version of the package is {__version__}, not {version}")
    yaml.dump(manifest(version, url, list(map(Path, archives))), sys.stdout, Dumper=_Dumper, sort_keys=False)


if __name__ == "__main__":
    main(sys.argv[1:])
