"""Commands and changes that lead back to Local."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

from tests.remediate.stage import Scene

OPERATOR = Path(__file__).parents[2] / "operator"


def command(scene: Scene, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The console command, with admin's credentials."""
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "etpguard",
            *arguments,
            "--kubeconfig",
            str(scene.cluster.kubeconfig),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(OPERATOR), "HOME": str(scene.cluster.directory)},
    )


def rollback(scene: Scene) -> subprocess.CompletedProcess[str]:
    return command(scene, "rollback", str(scene.key))


def declares_cluster(scene: Scene, manager: str) -> None:
    """What our own advice is: the owner declares what etpguard made of it, by server-side apply without force."""
    manifest = yaml.safe_dump(scene.service_manifest(externalTrafficPolicy="Cluster"))
    scene.cluster.kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", input=manifest)
