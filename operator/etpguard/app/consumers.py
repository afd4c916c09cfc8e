"""What is told of the load balancer controllers: by flags, and by the arguments of a Deployment."""

from __future__ import annotations

import logging
from typing import Any

from etpguard.assess.consumers.aws_lbc import AwsOptions, options_from_arguments
from etpguard.assess.consumers.aws_lbc.options import FLAG
from etpguard.assess.consumers.registry import ConsumerOptions
from etpguard.kube.connection import Connection
from etpguard.kube.exchange import ApiError, exchange
from etpguard.kube.verbs import Request
from etpguard.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0


async def consumer_options(settings: Settings, connection: Connection) -> ConsumerOptions:
    """A flag outranks the Deployment's arguments, and these the controller's defaults.

    Raises SettingsError where the Deployment's arguments are such that the controller would not start. One
    that cannot be read is a warning: the operator says what it can without it.
    """
    options = AwsOptions()
    if settings.aws_lbc_deployment:
        namespace, name = settings.aws_lbc_deployment.split("/")
        try:
            arguments = await _arguments(connection, namespace, name)
            options = options.overlaid(options_from_arguments(arguments), f"Deployment {namespace}/{name}")
        except ApiError as error:
            logger.warning("--aws-lbc-deployment: cannot read Deployment %s/%s: %s", namespace, name, error)
        except ValueError as error:
            raise SettingsError(f"Deployment {namespace}/{name}: {error}") from None
    flags = {
        "default_target_type": settings.aws_lbc_default_target_type,
        "ingress_class": settings.aws_lbc_ingress_class,
        "fail_open": settings.aws_lbc_fail_open,
        "max_targets": settings.aws_lbc_max_targets,
    }
    given = {option: value for option, value in flags.items() if value is not None}
    return ConsumerOptions(aws=options.overlaid(given, FLAG))


async def _arguments(connection: Connection, namespace: str, name: str) -> list[str]:
    """Of all containers, in their order: a sidecar has none of the flags."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    request = Request("get", "deployments.apps", namespace, name, "GET", path)
    client = connection.aio()
    try:
        answer = await exchange(client, request, TIMEOUT_SECONDS, lambda verb, resource, status: None)
    finally:
        await client.close()
    deployment: dict[str, Any] = answer.json()
    containers = deployment.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or []
    return [text for c in containers for text in (*(c.get("command") or ()), *(c.get("args") or ()))]
