"""How the operator logs: to stderr, as text for people or as one JSON object a line."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Literal

import msgspec

LOUD = {"kopf": logging.WARNING, "aiohttp": logging.WARNING, "asyncio": logging.WARNING}
"""Libraries that tell more than their users want to know, unless one debugs."""
NOISE = ("OS signals are ignored", "Request attempt")
"""What Kopf warns of and does not matter here: that it does not run in the main thread, which is meant, and each
failed request of each kind, where the lists tell of the same trouble once."""


def set_up(log_format: Literal["text", "json"], level: Literal["debug", "info", "warning", "error"]) -> None:
    """Replaces whatever handlers there are."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in LOUD.items():
        logging.getLogger(name).setLevel(logging.NOTSET if level == "debug" else max(least, root.level))
    # A success for every event of every object.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    if level != "debug":
        handler.addFilter(_no_noise)


def _no_noise(record: logging.LogRecord) -> bool:
    return not (record.name.startswith("kopf.") and str(record.msg).startswith(NOISE))


class TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return _when(record)


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _when(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def _when(record: logging.LogRecord) -> str:
    when = datetime.fromtimestamp(record.created, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
