"""Unexpected failures: each ends one step of one part, is logged once with its traceback, and is counted."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Literal, get_args

from etpguard.objects.log_fields import action_fields
from etpguard.objects.text import describe

logger = logging.getLogger(__name__)

Part = Literal[
    "assessment", "confinement", "lease", "list", "merge", "options", "page", "publish", "remediation", "watch"
]
PARTS: tuple[Part, ...] = get_args(Part)

REMEMBERED = 1000


class Failures:
    """`count` is called with the part for each failure."""

    def __init__(self, count: Callable[[Part], None] = lambda part: None) -> None:
        self._count = count
        self._logged: OrderedDict[tuple[Part, str], str] = OrderedDict()

    def note(self, part: Part, subject: str, error: Exception, fields: Mapping[str, str] | None = None) -> None:
        """The step of `part` about `subject` failed. The same failure of the same subject is logged once."""
        self._count(part)
        message = describe(error)
        if self._logged.get((part, subject)) == message:
            return
        self._logged[part, subject] = message
        self._logged.move_to_end((part, subject))
        if len(self._logged) > REMEMBERED:
            self._logged.popitem(last=False)
        logger.error(
            "%s of %s failed: %s",
            part,
            subject,
            message,
            exc_info=error,
            extra={**action_fields(part), **(fields or {})},
        )

    def settled(self, part: Part, subject: str) -> None:
        """The step succeeded: a later failure is logged again."""
        self._logged.pop((part, subject), None)
