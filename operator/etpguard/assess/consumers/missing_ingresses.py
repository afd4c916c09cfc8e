"""Signs, in files without an Ingress, that the cluster has Ingresses. Its clients may then not address node ports.
Pure."""

from __future__ import annotations

from etpguard.assess.consumers.families.aws_lbc.annotations import ALB
from etpguard.assess.consumers.families.gke.backend_configs import BACKEND_CONFIGS
from etpguard.assess.consumers.shared.ingresses import AWS_LBC
from etpguard.assess.outcome import Reason
from etpguard.cluster import Picture
from etpguard.objects import INGRESS, INGRESS_CLASS, Service

_OF_BACKENDS = (ALB, *BACKEND_CONFIGS)
"""Annotations of a Service that only the controller of an Ingress reads, while an Ingress names the Service:
aws-load-balancer-controller docs/guide/ingress/annotations.md, ingress-gce pkg/annotations/service.go."""


def missing_ingresses(service: Service, picture: Picture) -> Reason | None:
    """Why a Service without a known consumer may have one: the files have no Ingress and do not say that there is
    none, although an annotation of the Service or an IngressClass is of use with an Ingress only. None for a live
    cluster and for other files: an ingress controller inside the cluster sends to pods."""
    if INGRESS not in picture.unlisted:
        return None
    sign = min((key for key in service.annotations if key.startswith(_OF_BACKENDS)), default="")
    if sign:
        sign = f"the annotation {sign[:200]} of the Service"
    else:
        classes = (each for each in picture.store(INGRESS_CLASS) if each.controller == AWS_LBC)
        found = min((each.metadata.name for each in classes), default="")
        sign = f"IngressClass {found[:253]} of the AWS Load Balancer Controller" if found else ""
    if not sign:
        return None
    detail = (
        f"{picture.unlisted[INGRESS]}, but it has {sign}. If an Ingress has the Service as a backend, its health "
        "check decides whether requests are lost. If none has, clients that address an uncovered node lose their "
        "requests"
    )
    return Reason("ConsumersNotReadable", detail)
