"""Small immutable records of the Kubernetes objects that etpguard reads, and how raw JSON becomes one.

A record holds only the fields that some rule reads; the collector never looks at it. See `records` for
what they have in common, `kinds` for what is read and where, `decode` for the way in; the other modules have
the shapes of one API each.
"""

from etpguard.objects.coverage import API_VERSION, GROUP, PolicyRef, Remediation, Revert, ServiceCoverage
from etpguard.objects.decode import Held, Page, decode_item, decode_page, nothing_held
from etpguard.objects.deferred import Deferred
from etpguard.objects.endpoints import IP_FAMILIES, Endpoint, EndpointSlice, IPFamily
from etpguard.objects.ingresses import Backend, Ingress, IngressClass
from etpguard.objects.kinds import (
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    NAMESPACE,
    NODE,
    SERVICE,
    SERVICE_COVERAGE,
    AnyKind,
    Kind,
    Reach,
    Subset,
)
from etpguard.objects.namespaces import Namespace
from etpguard.objects.nodes import Node
from etpguard.objects.records import Condition, Key, Record, Reject, Requirement, Selector
from etpguard.objects.services import Service, ServicePort

__all__ = [
    "API_VERSION",
    "ENDPOINT_SLICE",
    "GROUP",
    "INGRESS",
    "INGRESS_CLASS",
    "IP_FAMILIES",
    "NAMESPACE",
    "NODE",
    "SERVICE",
    "SERVICE_COVERAGE",
    "AnyKind",
    "Backend",
    "Condition",
    "Deferred",
    "Endpoint",
    "EndpointSlice",
    "Held",
    "IPFamily",
    "Ingress",
    "IngressClass",
    "Key",
    "Kind",
    "Namespace",
    "Node",
    "Page",
    "PolicyRef",
    "Reach",
    "Record",
    "Reject",
    "Remediation",
    "Requirement",
    "Revert",
    "Selector",
    "Service",
    "ServiceCoverage",
    "ServicePort",
    "Subset",
    "decode_item",
    "decode_page",
    "nothing_held",
]
