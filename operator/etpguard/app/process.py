"""What `etpguard run` runs: the operator, its log, and its signals."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from etpguard import __version__
from etpguard.app import logs
from etpguard.app.operator import Operator
from etpguard.app.tasks import finished_before
from etpguard.intake.controller_options import consumer_options
from etpguard.intake.early_lists import EarlyLists
from etpguard.kube.connection import Connection
from etpguard.kube.errors import KubeError
from etpguard.objects.log_fields import action_fields
from etpguard.settings import Settings, SettingsError
from etpguard.web import CertificateError, ListenError

logger = logging.getLogger(__name__)


def run(settings: Settings, connection: Connection, early: EarlyLists) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code, as `etpguard.app.run` does."""
    logs.set_up(settings.log_format, settings.log_level)
    try:
        return asyncio.run(operate(settings, connection, early))
    except (CertificateError, KubeError, ListenError, SettingsError) as error:
        print(f"etpguard: {error}", file=sys.stderr)
        return 2


async def operate(settings: Settings, connection: Connection, early: EarlyLists | None = None) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    reading = asyncio.create_task(consumer_options(settings, connection))
    if not await finished_before(stop, reading):
        return 0
    operator = Operator(settings, connection, reading.result(), early=early)
    async with operator.serving() as port:
        logger.info(
            "etpguard %s on %s, serving on port %d",
            __version__,
            connection.server,
            port,
            extra=action_fields("start", version=__version__, server=connection.server),
        )
        code = await operator.run(stop)
    logger.info("stopped", extra=action_fields("stop"))
    return code
