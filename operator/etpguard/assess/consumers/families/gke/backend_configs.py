"""The BackendConfig of a port, which an annotation of the Service names."""

from __future__ import annotations

import json
from collections.abc import Mapping

from etpguard.cluster import Picture
from etpguard.objects import Key, Service
from etpguard.objects.gke import BACKEND_CONFIG, BackendConfig

BACKEND_CONFIGS = ("cloud.google.com/backend-config", "beta.cloud.google.com/backend-config")


def backend_config(service: Service, label: str, picture: Picture) -> BackendConfig | None:
    """The BackendConfig of the port with that label; None if there is none, or if it is not known."""
    annotation = next((key for key in BACKEND_CONFIGS if key in service.annotations), None)
    names = config_names(service.annotations[annotation]) if annotation else None
    name = config_name(names, service, label) if names else None
    return picture.get(BACKEND_CONFIG, Key(service.key.namespace, name)) if name else None


def config_name(names: Mapping[str, str], service: Service, label: str) -> str | None:
    port = service.port(label)
    wanted = [f"ports.{label}", f"ports.{port.port if port else ''}", "default"]
    return next((names[key] for key in wanted if key in names), None)


def config_names(written: str) -> dict[str, str] | None:
    """`{"default": name, "ports": {port: name}}` as one map, with "ports." before a port; None for other JSON."""
    try:
        given = json.loads(written)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict):
        return None
    ports = {} if given.get("ports") is None else given["ports"]
    if not isinstance(ports, dict):
        return None
    found = {"default": given.get("default") or "", **{f"ports.{port}": name for port, name in ports.items()}}
    if not all(isinstance(name, str) for name in found.values()):
        return None
    return {key: name for key, name in found.items() if name}
