"""What `etpguard run` runs: the operator, its log, and its signals."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from etpguard import __version__
from etpguard.app import logs
from etpguard.app.heap import return_freed_memory
from etpguard.app.operator import Operator
from etpguard.app.tasks import finished_before
from etpguard.intake.controller_options import consumer_options
from etpguard.kube.connection import Connection
from etpguard.kube.errors import KubeError
from etpguard.objects.log_fields import action_fields
from etpguard.settings import Settings, SettingsError
from etpguard.web import CertificateError, ListenError

__all__ = ["Operator", "run", "tune_interpreter"]

logger = logging.getLogger(__name__)

SWITCH_SECONDS = 0.0005
"""A thread that wants the interpreter gets it after this time. Measured beside a thread that decodes JSON,
against the default of 5 ms: a timer of the main loop fires 0.7 ms late instead of 5.5 ms (median of 300), and
40 MB are read over TLS in 0.6 s instead of 0.95 s."""


def tune_interpreter() -> None:
    sys.setswitchinterval(SWITCH_SECONDS)


def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code: 0 after a signal, 1 if a part of the operator failed, 2
    with one line on stderr for a bad kubeconfig, address, certificate or option of a controller."""
    logs.set_up(settings.log_format, settings.log_level)
    tune_interpreter()
    return_freed_memory()
    try:
        connection = Connection(settings.kubeconfig or None, settings.context or None)
        return asyncio.run(_run(settings, connection))
    except (CertificateError, KubeError, ListenError, SettingsError) as error:
        print(f"etpguard: {error}", file=sys.stderr)
        return 2


async def _run(settings: Settings, connection: Connection) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    reading = asyncio.create_task(consumer_options(settings, connection))
    if not await finished_before(stop, reading):
        return 0
    operator = Operator(settings, connection, reading.result())
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
