"""Cilium as the replacement of kube-proxy (KPR)."""

from etpguard.assess.data_planes.cilium.frontends import limit
from etpguard.assess.data_planes.cilium.rule import Cilium

__all__ = ["Cilium", "limit"]
