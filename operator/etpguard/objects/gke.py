"""The record of Google Cloud's own API that a rule reads, group cloud.google.com: ingress-gce
pkg/apis/backendconfig/v1."""

from __future__ import annotations

from etpguard.objects.kinds import Kind, Reach
from etpguard.objects.records import LabelledRecord, Shape


class BackendHealthCheck(Shape, frozen=True):
    port: int | None = None
    type: str | None = None
    request_path: str | None = None
    check_interval_sec: int | None = None
    timeout_sec: int | None = None
    healthy_threshold: int | None = None
    unhealthy_threshold: int | None = None


class BackendConfigSpec(Shape, frozen=True):
    health_check: BackendHealthCheck | None = None


class BackendConfig(LabelledRecord, frozen=True):
    spec: BackendConfigSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.spec)


BACKEND_CONFIG = Kind(
    "BackendConfig", "backendconfigs", "cloud.google.com", "v1", BackendConfig, reach=Reach.NAMESPACE, refines=True
)
