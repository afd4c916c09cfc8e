"""Options of the load balancer controllers, from flags and from a Deployment's arguments."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from etpguard.assess.consumers.families.aws_lbc import AwsOptions, options_from_deployment
from etpguard.assess.consumers.families.aws_lbc.options import FLAG
from etpguard.assess.consumers.registry import ConsumerOptions
from etpguard.kube import verbs
from etpguard.kube.client import LazyClient
from etpguard.kube.connection import Connection
from etpguard.kube.errors import ApiError, KubeError
from etpguard.kube.exchange import exchange
from etpguard.objects import Key
from etpguard.objects.log_fields import request_fields
from etpguard.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0


async def consumer_options(settings: Settings, connection: Connection) -> ConsumerOptions:
    """A flag outranks an argument of the Deployment, and the argument outranks the controller's default.

    Raises SettingsError if the controller would not start with the Deployment's arguments. A Deployment that
    cannot be read is a warning: the operator works without it.
    """
    flags = settings.aws_lbc_options
    try:
        aws = await aws_options(connection, settings.aws_lbc_deployment, flags)
    except ApiError as error:
        logger.warning(
            "--aws-lbc-deployment: cannot read Deployment %s: %s",
            settings.aws_lbc_deployment,
            error,
            extra=_fields(settings.aws_lbc_deployment),
        )
        aws = AwsOptions().overlaid(flags, FLAG)
    return ConsumerOptions(aws)


async def aws_options(connection: Connection, deployment: str, flags: Mapping[str, Any]) -> AwsOptions:
    """The options by `flags`, fields of AwsOptions, and by the Deployment NAMESPACE/NAME, "" for none.

    Raises ApiError if the Deployment cannot be read, SettingsError if the controller would not start with its
    arguments.
    """
    options = AwsOptions()
    if deployment:
        try:
            arguments = options_from_deployment(await _read(connection, *deployment.split("/")))
            options = options.overlaid(arguments, f"Deployment {deployment}")
        except ValueError as error:
            raise SettingsError(f"Deployment {deployment}: {error}") from None
    return options.overlaid(flags, FLAG)


async def follow(
    settings: Settings,
    connection: Connection,
    options: ConsumerOptions,
    on_change: Callable[[ConsumerOptions], None],
) -> None:
    """Read the Deployment of `settings` once per resync interval, until cancelled. Call `on_change` when the
    options differ from the last ones (at first: from `options`). While the Deployment cannot be read, the last
    options stay."""
    problem = ""
    while True:
        await asyncio.sleep(settings.resync_interval)
        try:
            aws = await aws_options(connection, settings.aws_lbc_deployment, settings.aws_lbc_options)
        except (KubeError, SettingsError) as error:
            if str(error) != problem:
                logger.warning(
                    "--aws-lbc-deployment: %s; its last known arguments stay in force",
                    error,
                    extra=_fields(settings.aws_lbc_deployment),
                )
            problem = str(error)
            continue
        problem = ""
        now = ConsumerOptions(aws)
        if now != options:
            logger.info(
                "Deployment %s has new arguments: %s",
                settings.aws_lbc_deployment,
                now.aws,
                extra=_fields(settings.aws_lbc_deployment),
            )
            options = now
            on_change(now)


def _fields(deployment: str) -> dict[str, str]:
    """Of a log line about the Deployment NAMESPACE/NAME."""
    namespace, _, name = deployment.partition("/")
    return request_fields("get", "deployments.apps", namespace, object=name)


async def _read(connection: Connection, namespace: str, name: str) -> dict[str, Any]:
    from etpguard.objects.pod_controllers import DEPLOYMENT  # slow to load, and few clusters need it

    request = verbs.get(DEPLOYMENT, Key(namespace, name))
    client = LazyClient(connection)
    try:
        answer = await exchange(client, request, TIMEOUT_SECONDS)
    finally:
        await client.close()
    return answer.json()
