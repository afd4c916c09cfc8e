"""The load balancers of cloud providers that have a service controller: a family for each provider."""

from __future__ import annotations

from etpguard.assess.consumers.families.clouds.not_modelled import NotModelledCloud
from etpguard.assess.consumers.families.clouds.provider import Provider
from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.consumers.interface import ConsumerFamily


def cloud_families() -> tuple[ConsumerFamily, ...]:
    """In the order of the registry. The last family serves the clouds whose rules are not known."""
    return (*(Provider(name, signs) for name, signs in SIGNS.items()), NotModelledCloud())
