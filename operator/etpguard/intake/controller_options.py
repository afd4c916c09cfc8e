"""What is told of the load balancer controllers: by flags, and by the arguments of a Deployment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from etpguard.assess.consumers.aws_lbc import AwsOptions, options_from_deployment
from etpguard.assess.consumers.aws_lbc.options import FLAG
from etpguard.assess.consumers.registry import ConsumerOptions
from etpguard.kube.client import LazyClient
from etpguard.kube.connection import Connection
from etpguard.kube.errors import ApiError, KubeError
from etpguard.kube.exchange import exchange
from etpguard.kube.verbs import Request
from etpguard.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0


async def consumer_options(settings: Settings, connection: Connection) -> ConsumerOptions:
    """A flag outranks the Deployment's arguments, and these the controller's defaults.

    Raises SettingsError where the Deployment's arguments are such that the controller would not start. One
    that cannot be read is a warning: the operator says what it can without it.
    """
    flags = _flags(settings)
    try:
        aws = await aws_options(connection, settings.aws_lbc_deployment, flags)
    except ApiError as error:
        logger.warning("--aws-lbc-deployment: cannot read Deployment %s: %s", settings.aws_lbc_deployment, error)
        aws = AwsOptions().overlaid(flags, FLAG)
    return ConsumerOptions(aws)


async def aws_options(connection: Connection, deployment: str, flags: Mapping[str, Any]) -> AwsOptions:
    """By `flags`, fields of AwsOptions, and, unless `deployment` is "", the Deployment NAMESPACE/NAME.

    Raises ApiError where that cannot be read, SettingsError where the controller would not start with it.
    """
    options = AwsOptions()
    if deployment:
        try:
            told = options_from_deployment(await _read(connection, *deployment.split("/")))
            options = options.overlaid(told, f"Deployment {deployment}")
        except ValueError as error:
            raise SettingsError(f"Deployment {deployment}: {error}") from None
    return options.overlaid(flags, FLAG)


async def follow(
    settings: Settings, connection: Connection, told: ConsumerOptions, tell: Callable[[ConsumerOptions], None]
) -> None:
    """Look at the Deployment, which `settings` must name, once a resync interval, for ever, and tell of options
    that are others than before. What it said last holds while it cannot be read."""
    said = ""
    while True:
        await asyncio.sleep(settings.resync_interval)
        try:
            now = ConsumerOptions(await aws_options(connection, settings.aws_lbc_deployment, _flags(settings)))
        except (KubeError, SettingsError) as error:
            if str(error) != said:
                logger.warning("--aws-lbc-deployment: %s; its last arguments go on to hold", error)
            said = str(error)
            continue
        said = ""
        if now != told:
            logger.info("Deployment %s has other arguments now: %s", settings.aws_lbc_deployment, now.aws)
            told = now
            tell(now)


def _flags(settings: Settings) -> dict[str, Any]:
    flags = {
        "default_target_type": settings.aws_lbc_default_target_type,
        "ingress_class": settings.aws_lbc_ingress_class,
        "fail_open": settings.aws_lbc_fail_open,
        "max_targets": settings.aws_lbc_max_targets,
    }
    return {option: value for option, value in flags.items() if value is not None}


async def _read(connection: Connection, namespace: str, name: str) -> dict[str, Any]:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    request = Request("get", "deployments.apps", namespace, name, "GET", path)
    client = LazyClient(connection)
    try:
        answer = await exchange(client, request, TIMEOUT_SECONDS, lambda verb, resource, status: None)
    finally:
        await client.close()
    return answer.json()
