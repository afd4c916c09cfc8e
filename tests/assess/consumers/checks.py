"""The health check of a consumer and the text of an advice, for tests."""

from __future__ import annotations

from etpguard.assess.consumers.consumer import Advice, Consumer
from etpguard.assess.consumers.targets import CheckSettings
from etpguard.report.advice import advice_text


def settings_of(consumer: Consumer) -> CheckSettings:
    assert consumer.check is not None
    assert consumer.check.settings is not None
    return consumer.check.settings


def pins(consumer: Consumer) -> bool:
    return consumer.check is not None and consumer.check.pins_health_check_node_port


def proxied(consumer: Consumer) -> bool:
    return consumer.check is not None and consumer.check.proxy_protocol


def shown(advice: Advice) -> str:
    """All parts of it, each on lines of its own, as `explain` shows them. It fits into a report, too."""
    assert 0 < len(advice_text(advice).encode()) <= 1024
    return "\n".join(filter(None, (advice.title, advice.effect, advice.cost, advice.command)))
