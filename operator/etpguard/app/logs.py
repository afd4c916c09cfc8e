"""The operator's log on stderr: text for people, or one JSON object a line for machines."""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Literal

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.msgspec import MsgspecFormatter

QUIET_LIBRARIES = {"kopf": logging.WARNING, "aiohttp": logging.WARNING, "asyncio": logging.WARNING}
"""The least level of libraries that log more than users need. With the level debug they log everything."""
NOISE = ("OS signals are ignored", "Request attempt")
"""The beginnings of warnings of Kopf that do not matter here. It runs outside the main thread on purpose, and the
lists log each failure once, where Kopf logs it for each request."""
KOPF_API_ERRORS = "kopf._cogs.clients.errors"
"""The module of Kopf's exceptions for answers of the API server. Only `intake` imports Kopf."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
KOPF_ATTRIBUTES = ("k8s_ref", "k8s_skip", "settings")
"""Kopf adds these to its log records for its own use."""


def set_up(log_format: Literal["text", "json"], level: Literal["debug", "info", "warning", "error"]) -> None:
    """Configure the log on stderr. Replaces all handlers of the root logger."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in QUIET_LIBRARIES.items():
        logging.getLogger(name).setLevel(logging.NOTSET if level == "debug" else max(least, root.level))
    # Kopf logs a success for every event of every object.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    if level != "debug":
        handler.addFilter(_is_not_noise)
        handler.addFilter(_without_known_traceback)


def _is_not_noise(record: logging.LogRecord) -> bool:
    return not (record.name.startswith("kopf.") and str(record.msg).startswith(NOISE))


def _without_known_traceback(record: logging.LogRecord) -> bool:
    """Leaves only the message of what the API server answered to a watch of Kopf. The message has the whole
    answer, and Kopf logs the same failure twice, each with a traceback of 35 lines."""
    error = record.exc_info and record.exc_info[1]
    if record.name.startswith("kopf.") and type(error).__module__ == KOPF_API_ERRORS:
        record.exc_info = None
    return True


class TextFormatter(logging.Formatter):
    """One line for each record. Control characters are escaped, so text from objects cannot begin a new line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return _time(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return _CONTROL.sub(lambda found: repr(found[0])[1:-1], super().formatMessage(record))


class JsonFormatter(MsgspecFormatter):
    """Fields `time`, `level`, `logger`, `message`, `error` (a traceback), and those of `extra`, which are named in
    `objects.log_fields`."""

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "error"},
            reserved_attrs=[*RESERVED_ATTRS, *KOPF_ATTRIBUTES],
        )

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return _time(record)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {**log_data, "level": str(log_data["level"]).lower()}


def _time(record: logging.LogRecord) -> str:
    when = datetime.fromtimestamp(record.created, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
