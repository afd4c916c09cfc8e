"""Announcers of addresses on premises: a small family for each project."""

from __future__ import annotations

from etpguard.assess.consumers.families.on_premises.antrea import Antrea
from etpguard.assess.consumers.families.on_premises.calico import Calico as Calico
from etpguard.assess.consumers.families.on_premises.external_ips import ExternalIPs
from etpguard.assess.consumers.families.on_premises.kube_router import KubeRouter
from etpguard.assess.consumers.families.on_premises.openelb import OpenELB
from etpguard.assess.consumers.families.on_premises.purelb import PureLB
from etpguard.assess.consumers.interface import ConsumerFamily


def on_premises_families() -> tuple[ConsumerFamily, ...]:
    return (Antrea(), OpenELB(), PureLB(), KubeRouter(), ExternalIPs())
