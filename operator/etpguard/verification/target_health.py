"""Reads a load balancer's own view of its targets. Pure.

Formats, as their documentation gives them:
- AWS: `aws elbv2 describe-target-health` (ELBv2 API 2015-12-01, TargetHealthDescription and TargetHealth);
- Google Cloud: `gcloud compute backend-services get-health --format=json` (BackendServiceGroupHealth,
  HealthStatus);
- Azure: the answer of "Load Balancers - Health per rule" (LoadBalancerHealthPerRule of azure-rest-api network).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

import msgspec


class Health(Enum):
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    OPEN = "open"
    """Neither healthy nor unhealthy: the check is not finished, or the target gets no traffic."""


@dataclass(frozen=True, slots=True)
class TargetView:
    """One target as the load balancer sees it. `target` is its name there; `provider_id` and `address` lead to the
    node, "" if not given; `port` and `check_port`, which the health check asks, are 0 if not given. `state` and
    `reason` are as the load balancer reports them, "" if not given."""

    target: str
    health: Health
    state: str
    reason: str = ""
    provider_id: str = ""
    address: str = ""
    port: int = 0
    check_port: int = 0

    @property
    def words(self) -> str:
        """The state and the reason."""
        return f"{self.state} ({self.reason})" if self.reason else self.state or "no state"


class TargetHealthError(ValueError):
    """The input is none of the known formats, in one line."""


class _AwsTarget(msgspec.Struct, rename="pascal"):
    id: str
    port: int = 0


class _AwsHealth(msgspec.Struct, rename="pascal"):
    state: str
    reason: str = ""


class _AwsDescription(msgspec.Struct, rename="pascal"):
    target: _AwsTarget
    target_health: _AwsHealth
    health_check_port: str = ""


class _Aws(msgspec.Struct, rename="pascal"):
    target_health_descriptions: list[_AwsDescription]


class _GoogleStatus(msgspec.Struct, rename="camel"):
    health_state: str = ""
    instance: str = ""
    ip_address: str = ""
    port: int = 0


class _GoogleHealth(msgspec.Struct, rename="camel"):
    health_status: list[_GoogleStatus] = []


class _GoogleBackend(msgspec.Struct):
    status: _GoogleHealth
    backend: str = ""


class _AzureAddress(msgspec.Struct, rename="camel"):
    ip_address: str
    state: str
    reason: str = ""


class _Azure(msgspec.Struct, rename="camel"):
    load_balancer_backend_addresses: list[_AzureAddress]


def parse(raw: bytes) -> list[TargetView]:
    """The targets of one of the formats above. Raises TargetHealthError."""
    try:
        tree = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise TargetHealthError(f"not JSON: {error}") from None
    try:
        if isinstance(tree, dict) and "TargetHealthDescriptions" in tree:
            return [_aws(each) for each in msgspec.convert(tree, _Aws).target_health_descriptions]
        if isinstance(tree, dict) and "loadBalancerBackendAddresses" in tree:
            return [_azure(each) for each in msgspec.convert(tree, _Azure).load_balancer_backend_addresses]
        if isinstance(tree, list) and all(isinstance(each, dict) and "status" in each for each in tree):
            backends = msgspec.convert(tree, list[_GoogleBackend])
            return [_google(each) for backend in backends for each in backend.status.health_status]
    except msgspec.ValidationError as error:
        raise TargetHealthError(str(error)) from None
    raise TargetHealthError(
        "the JSON is not that of aws elbv2 describe-target-health, of gcloud compute backend-services get-health "
        "--format=json, or of Azure's health per rule"
    )


_AWS_STATES = {"healthy": Health.HEALTHY, "unhealthy": Health.UNHEALTHY, "unhealthy.draining": Health.UNHEALTHY}


def _aws(given: _AwsDescription) -> TargetView:
    target, state = given.target, given.target_health
    instance = target.id if target.id.startswith("i-") else ""
    asked = given.health_check_port
    return TargetView(
        target=target.id,
        health=_AWS_STATES.get(state.state, Health.OPEN),
        state=state.state,
        reason=state.reason,
        provider_id=instance,
        address="" if instance else target.id,
        port=target.port,
        check_port=int(asked) if asked.isascii() and asked.isdigit() and len(asked) <= 5 else 0,
    )


_GOOGLE_STATES = {"HEALTHY": Health.HEALTHY, "UNHEALTHY": Health.UNHEALTHY}


def _google(given: _GoogleStatus) -> TargetView:
    """The `port` in the answer is that of the instance group, not the one that is checked, so it is not used."""
    parts = given.instance.split("/")
    path = dict(pairwise(parts))
    known = all(key in path for key in ("projects", "zones", "instances"))
    return TargetView(
        target=path.get("instances", given.ip_address),
        health=_GOOGLE_STATES.get(given.health_state, Health.OPEN),
        state=given.health_state,
        provider_id=f"gce://{path['projects']}/{path['zones']}/{path['instances']}" if known else "",
        address=given.ip_address,
    )


_AZURE_STATES = {"up": Health.HEALTHY, "down": Health.UNHEALTHY}


def _azure(given: _AzureAddress) -> TargetView:
    return TargetView(
        target=given.ip_address,
        health=_AZURE_STATES.get(given.state.lower(), Health.OPEN),
        state=given.state,
        reason=given.reason,
        address=given.ip_address,
    )
