"""The manifests as kubectl and helm render them."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from devcluster import binaries
from devcluster.objects import YAML_LOADER

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
CHART = MANIFESTS / "chart" / "etpguard"
NAMESPACE = "etpguard-system"
ACCOUNT = "etpguard"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"

IMAGE = "image.repository=etpguard"
"""The chart has no default image; the kustomize base names this one."""

Json = dict[str, Any]
Name = tuple[str, str, str]


@functools.cache
def kustomize_text(folder: str) -> str:
    """`kubectl kustomize manifests/FOLDER`."""
    return run(binaries.path("kubectl"), "kustomize", str(MANIFESTS / folder))


def with_component(folder: str, *components: str) -> list[Json]:
    """The objects of an overlay combined with components such as overlays/monitoring."""
    return parse(_with_component_text(folder, *components))


@functools.cache
def _with_component_text(folder: str, *components: str) -> str:
    with tempfile.TemporaryDirectory() as place:
        base, *added = (os.path.relpath(MANIFESTS / name, place) for name in (folder, *components))
        listed = ", ".join(added)
        (Path(place) / "kustomization.yaml").write_text(f"resources: [{base}]\ncomponents: [{listed}]\n")
        return run(binaries.path("kubectl"), "kustomize", place)


def with_monitoring(folder: str) -> list[Json]:
    return with_component(folder, "overlays/monitoring")


def kustomize(folder: str) -> list[Json]:
    return parse(kustomize_text(folder))


def helm_template(*arguments: str, release: str = "etpguard", namespace: str = NAMESPACE) -> list[Json]:
    """`helm template RELEASE CHART …`, CustomResourceDefinitions included."""
    return parse(_helm_text(release, namespace, *arguments))


@functools.cache
def _helm_text(release: str, namespace: str, *arguments: str) -> str:
    return run(
        binaries.path("helm"),
        *("template", release, str(CHART), "--namespace", namespace, "--include-crds"),
        *("--kube-version", binaries.KUBERNETES_VERSION, "--set", IMAGE),
        *arguments,
    )


def run(*command: str | Path, check: bool = True) -> str:
    """Standard output of a command that must succeed; its standard error is in the failure."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 or not check, f"{command[0]}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def parse(text: str) -> list[Json]:
    return [each for each in yaml.load_all(text, YAML_LOADER) if each]


def name_of(manifest: Json) -> Name:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def by_name(manifests: list[Json]) -> dict[Name, Json]:
    named = {name_of(each): each for each in manifests}
    assert len(named) == len(manifests), "two objects of one name"
    return named


def environment(manifests: list[Json]) -> dict[str, str]:
    """What the Deployment's container gets."""
    (deployment,) = (each for each in manifests if each["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"]}
