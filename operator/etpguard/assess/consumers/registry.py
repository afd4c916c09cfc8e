"""The families in the order in which they may claim an object; to add one is to add its line here."""

from __future__ import annotations

from etpguard.assess.consumers.interface import ConsumerFamily


def families() -> tuple[ConsumerFamily, ...]:
    return ()
